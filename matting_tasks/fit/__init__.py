"""Fitting a network to a rig: pairs with exact truth made on the fly, training, and what comes of it."""
