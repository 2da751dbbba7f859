"""Rate and distortion: curves of codecs and models over scenes, and the report of them."""
