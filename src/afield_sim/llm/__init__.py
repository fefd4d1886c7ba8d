"""A language model behind the API that OpenAI made common: it thinks nothing, and answers as it is told."""
