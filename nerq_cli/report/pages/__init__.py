"""Pages that single commands print beside the report: each as text, Markdown and JSON."""
