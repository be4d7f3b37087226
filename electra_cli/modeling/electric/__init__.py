"""What Electric has beside a discriminator: two towers, and a softmax at every position."""
