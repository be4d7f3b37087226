"""Where the figures of a run go besides its folder: one file a tracker."""
