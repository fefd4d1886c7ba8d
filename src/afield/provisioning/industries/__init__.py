"""What Afield knows of industries: templates of data models, filled with a company's own words."""
