"""What Go's own tests of channels and select establish, as tests of ours: the facts, written anew."""
