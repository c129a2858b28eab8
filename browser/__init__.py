"""What the pages of the browser app share: the only place besides the tabs that knows gradio."""
