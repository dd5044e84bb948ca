"""What a person hears, sees and opens: sound, piano rolls, figures and a page that holds them."""
