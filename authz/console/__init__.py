"""The admin console: Django's admin on Gatehouse's own pages (docs/console.md).

One folder a subject. `site.py` is the frame, `navigation.py` the menu, `model_admin.py` what all lists and forms share.
Other apps register their pages with `@admin.register(Model, site=console)` in their `admin`.
"""
