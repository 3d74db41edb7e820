"""Feature extractors shared by the matting networks; state-dict keys as published by torchvision."""
