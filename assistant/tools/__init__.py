"""What a model can ask for while it answers. Plain asyncio and plain values, no Django."""
