"""Readers of the files of npm, Yarn, pnpm and Bun."""
