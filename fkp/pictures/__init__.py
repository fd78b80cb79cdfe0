"""What is done to pixels, and to points with them."""
