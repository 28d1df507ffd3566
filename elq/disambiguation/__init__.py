"""Given mentions: trains and uses networks that say which entity a marked mention means."""
