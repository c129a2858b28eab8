"""funcloc's front end for language models: the language network, and others."""
