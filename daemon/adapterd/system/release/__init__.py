"""The release of this process, the one on disk, and the one of the daemon: an upgrade changes them one by one."""
