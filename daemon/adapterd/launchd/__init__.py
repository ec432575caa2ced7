"""Service definitions: a LaunchAgent for macOS, a systemd user unit for Linux."""
