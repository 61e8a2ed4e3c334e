"""django-mongodb-backend with unique indexes that queries can use."""
