"""Matting networks and the files with their weights. Importing this package never imports torch."""
