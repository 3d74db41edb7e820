"""Work on frames: decode, matte, measure, encode; Ray in two files only."""
