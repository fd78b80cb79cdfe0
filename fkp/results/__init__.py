"""Tables, pictures and submissions."""
