"""What is listened to, looked at and opened: sound, piano rolls, figures, and the page that holds them."""
