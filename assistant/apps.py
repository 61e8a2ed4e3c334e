from django.apps import AppConfig


class AssistantConfig(AppConfig):
    name = "assistant"

    def ready(self) -> None:
        from assistant.generations import registry
        from conversations import signals

        signals.changed.connect(registry.chat_changed)
