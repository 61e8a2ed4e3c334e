"""Other spans: weeks, and two hours instead of one and of six. `rebuild_rollups` makes them."""

from django.db import migrations, models


def forget_old_spans(apps, _schema_editor):
    for name in ("PersonBucket", "UsageBucket"):
        apps.get_model("analytics", name).objects.filter(span__in=[60, 360]).delete()


class Migration(migrations.Migration):
    dependencies = [("analytics", "0002_buckets")]

    operations = [
        migrations.AddField(
            model_name="usagebucket",
            name="chats",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="usagebucket",
            name="messages",
            field=models.BigIntegerField(default=0),
        ),
        migrations.RunPython(forget_old_spans, migrations.RunPython.noop),
    ]
