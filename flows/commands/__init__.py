"""The subcommands of `cleanplate`, one file a verb."""
