"""What to run: one file for each system, get_config(variant); common.py holds what they share."""
