"""Running code that strangers wrote, in session pools."""
