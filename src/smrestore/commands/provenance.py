"""``smrestore provenance``: how a result was made."""

from pathlib import Path


def provenance(file: Path, /, *, json: bool = False) -> None:
    """Print how a result of the workflow was made, back to parameters and scans.

    Says of each file whether it is as it was recorded.

    Parameters
    ----------
    file
        A file below results.
    json
        Print the complete records.
    """
    from json import dumps

    from smrestore.support.records import chain

    if json:
        print(dumps([{"state": made.state, **made.record} for made in chain(file)], indent=1))
        return
    for made in chain(file):
        print(f"{made.path}: {made.state}")
        record = made.record
        if not record:
            continue
        wildcards = ", ".join(f"{k}={v}" for k, v in record["wildcards"].items())
        print(f"  sha256   {record['sha256']}")
        print(f"  rule     {record['rule']}" + (f" ({wildcards})" if wildcards else ""))
        print(f"  made     {record['started']} to {record['finished']} on {record['host']}")
        versions = ", ".join(f"{k} {v}" for k, v in record["versions"].items())
        print(f"  commit   {record['git_commit']}; {versions}")
        print(f"  settings {dumps(record['settings'], sort_keys=True)}")
        for entry in record["inputs"]:
            note = ", which is another file now" if entry["path"] in made.outdated else ""
            print(f"  from     {entry['path']} {entry.get('sha256', '')[:16]}{note}")
