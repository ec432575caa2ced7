"""The installed commands, driven as a person would. A package, so that its conftest stands beside the shared one."""
