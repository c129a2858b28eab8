"""What the pages say is so: links, commands, snippets, notebooks."""
