"""The studio as a public Space of the Hub: README.md beside this file names it as the program to run."""

import os

from musicfusion.studio.serve import serve

if __name__ == "__main__":
    name = os.environ.get("SPACE_HOST", "localhost")
    serve(host="0.0.0.0", port=7860, names=[name], frames="https://huggingface.co https://*.hf.space")
