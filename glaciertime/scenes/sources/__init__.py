"""Scenes from where they are: catalogues of products, searched, listed, and read in windows."""
