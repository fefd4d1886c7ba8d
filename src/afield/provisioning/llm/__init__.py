"""Language models, optional: they choose and give names, in typed answers. They never write rows, SQL or code."""
