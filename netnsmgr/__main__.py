"""``python -m netnsmgr``: the same as the console script."""

from netnsmgr.cli.main import main

if __name__ == "__main__":
    main()
