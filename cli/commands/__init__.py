"""The commands, one a file: each parses, makes one service call and one render call. Loaded only when called."""
