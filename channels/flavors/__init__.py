"""The flavours of a channel: one class each, all with the method set of `base.Flavor`."""
