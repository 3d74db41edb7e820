"""Capture layouts, one file each: paths <-> (subject, sequence, camera, frame)."""
