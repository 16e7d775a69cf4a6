"""An HTTP server that fills, and its page. Importing this loads no web framework (extra ``serve``)."""
