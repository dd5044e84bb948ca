"""The studio: a page in the browser on which every system is played; it runs on this machine, and asks nothing outside.

    musicfusion studio          python -m musicfusion.launch --mode=studio

serve.py starts it. app.py is the page, made from the systems' declarations; guard.py stands before it. Gradio is
imported here, and nowhere else in musicfusion.
"""
