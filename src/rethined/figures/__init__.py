"""Pictures of what ``rethined eval`` and ``rethined bench`` found."""
