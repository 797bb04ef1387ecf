"""How what a report says is laid out: HTML, PDF, Markdown, JSON. No view says anything of its own."""
