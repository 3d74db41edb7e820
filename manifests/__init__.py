"""What is to do and what is done: manifests, recipes, decisions, shards, receipts, stores."""
