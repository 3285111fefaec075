"""Public scans: the registry, downloads against a server on this computer, archives."""

import errno
import gzip
import hashlib
import io
import json
import os
import resource
import socket
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from loopback import served
from smrestore import mdf
from smrestore.public import archive as archives
from smrestore.public.archive import extract
from smrestore.public.download import download
from smrestore.public.fetch import fetch_file, fetch_scan
from smrestore.public.registry import KINDS, STORES, Store, check_file, read_stores
from smrestore.support.errors import InputError

CONTENTS = os.urandom(400_000)
SHA256 = hashlib.sha256(CONTENTS).hexdigest()


@pytest.fixture
def site():
    with served({"/data.bin": CONTENTS}) as site:
        yield site


def get(site, folder, path="/data.bin", **options):
    return download(site.address + path, folder / "data.bin", wait_s=0.01, **options)


def starts(site):
    """Return the first byte of each request."""
    return [int(asked[6:-1]) if asked else 0 for _, asked in site.requests]


class TestDownload:
    def test_file_arrives_once(self, site, tmp_path):
        assert get(site, tmp_path, sha256=SHA256).read_bytes() == CONTENTS
        get(site, tmp_path, sha256=SHA256)
        assert len(site.requests) == 1
        assert [path.name for path in tmp_path.iterdir()] == ["data.bin"]

    def test_interrupted_transfer_is_continued(self, site, tmp_path):
        site.cuts = [98_304, 49_152]
        assert get(site, tmp_path, sha256=SHA256).read_bytes() == CONTENTS
        assert starts(site) == [0, 98_304, 147_456]

    def test_server_without_ranges_starts_over(self, site, tmp_path):
        site.ranges = False
        site.cuts = [98_304, 300_000]
        assert get(site, tmp_path, sha256=SHA256).read_bytes() == CONTENTS
        assert len(site.requests) == 3

    def test_server_without_validators_is_not_trusted_to_continue(self, site, tmp_path):
        site.validators = False
        site.cuts = [98_304]
        assert get(site, tmp_path, sha256=SHA256).read_bytes() == CONTENTS
        assert starts(site) == [0, 0]

    def test_server_that_tells_no_size(self, site, tmp_path):
        site.announces_size = False
        assert get(site, tmp_path, sha256=SHA256).read_bytes() == CONTENTS

    def test_many_interruptions_pass_as_long_as_data_arrive(self, site, tmp_path):
        site.cuts = [32_768] * 12
        assert get(site, tmp_path, sha256=SHA256).read_bytes() == CONTENTS
        assert len(site.requests) == 13

    def test_interruptions_that_bring_nothing_new_end(self, site, tmp_path):
        site.ranges = False
        site.cuts = [98_304, 49_152] * 50
        with pytest.raises(InputError, match=r"cannot be reached"):
            get(site, tmp_path, sha256=SHA256)
        assert len(site.requests) == 5

    def test_process_that_is_stopped_while_it_checks_loses_nothing(
        self, site, tmp_path, monkeypatch
    ):
        def stopped(*_, **__):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr("pooch.core.hash_matches", stopped)
            get(site, tmp_path, sha256=SHA256)
        assert not (tmp_path / "data.bin").exists()
        site.requests.clear()
        assert get(site, tmp_path, sha256=SHA256).read_bytes() == CONTENTS
        assert starts(site) == [400_000]
        assert [path.name for path in tmp_path.iterdir()] == ["data.bin"]

    def test_file_system_without_hard_links(self, site, tmp_path, monkeypatch):
        def refused(*_):
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(Path, "hardlink_to", refused)
        assert get(site, tmp_path, sha256=SHA256).read_bytes() == CONTENTS
        assert [path.name for path in tmp_path.iterdir()] == ["data.bin"]

    def test_declared_compression_of_an_archive_is_not_undone(self, site, tmp_path):
        packed = gzip.compress(CONTENTS)
        site.files["/a.tar.gz"] = packed
        site.encoding, site.cuts = "x-gzip", [98_304]
        path = download(f"{site.address}/a.tar.gz", tmp_path / "a.tar.gz", wait_s=0.01)
        assert path.read_bytes() == packed
        with pytest.raises(InputError, match=r"data\.bin in the encoding x-gzip, which it was ask"):
            get(site, tmp_path)

    def test_disk_that_fills_up_meanwhile(self, site, tmp_path):
        site.announces_size = False
        former = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, former[1]))
        try:
            with pytest.raises(InputError, match=r"data\.bin: there is no space left to write it"):
                get(site, tmp_path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, former)
        site.requests.clear()
        assert get(site, tmp_path).read_bytes() == CONTENTS
        assert 0 < starts(site)[0] <= 200_000

    def test_later_run_continues(self, site, tmp_path):
        site.cuts = [98_304, *[0] * 9]
        with pytest.raises(InputError, match=r"127\.0\.0\.1 cannot be reached .*0\.1 MB are kept"):
            get(site, tmp_path, sha256=SHA256)
        assert not (tmp_path / "data.bin").exists()
        site.cuts = []
        site.requests.clear()
        assert get(site, tmp_path, sha256=SHA256).read_bytes() == CONTENTS
        assert starts(site) == [98_304]

    def test_changed_file_is_not_glued_together(self, site, tmp_path):
        site.cuts = [98_304, *[0] * 9]
        with pytest.raises(InputError):
            get(site, tmp_path)
        site.cuts = []
        site.files["/data.bin"] = other = os.urandom(300_000)
        assert get(site, tmp_path).read_bytes() == other

    def test_part_that_was_complete(self, site, tmp_path):
        get(site, tmp_path)
        (tmp_path / "data.bin").rename(tmp_path / ".data.bin.part")
        tag = f'"{hashlib.md5(CONTENTS).hexdigest()}"'
        state = {"url": f"{site.address}/data.bin", "validator": tag, "size": len(CONTENTS)}
        (tmp_path / ".data.bin.part.json").write_text(json.dumps(state))
        site.requests.clear()
        assert get(site, tmp_path, sha256=SHA256).read_bytes() == CONTENTS
        assert starts(site) == [400_000]

    def test_wrong_hash_leaves_nothing(self, site, tmp_path):
        wrong = "0" * 64
        with pytest.raises(
            InputError, match=r"data\.bin: what http.* has another SHA-256 than"
        ) as e:
            get(site, tmp_path, sha256=wrong)
        assert "\n" not in str(e.value)
        assert not list(tmp_path.iterdir())

    def test_file_of_wrong_hash_is_fetched_again(self, site, tmp_path):
        (tmp_path / "data.bin").write_bytes(b"old")
        assert get(site, tmp_path, sha256=SHA256).read_bytes() == CONTENTS

    def test_file_put_there_by_hand_needs_no_server(self, tmp_path):
        (tmp_path / "data.bin").write_bytes(CONTENTS)
        path = download("http://127.0.0.1:9/data.bin", tmp_path / "data.bin", sha256=SHA256)
        assert path.read_bytes() == CONTENTS

    def test_redirects(self, site, tmp_path):
        site.redirects = {"/record": "/moved", "/moved": f"{site.address}/data.bin"}
        site.cuts = [98_304]
        assert get(site, tmp_path, "/record", sha256=SHA256).read_bytes() == CONTENTS
        assert [path for path, _ in site.requests] == ["/record", "/moved", "/data.bin"] * 2
        assert site.requests[-1][1] == "bytes=98304-"

    def test_endless_redirects(self, site, tmp_path):
        site.redirects = {"/a": "/b", "/b": "/a"}
        with pytest.raises(InputError, match="cannot be fetched: Exceeded 30 redirects"):
            get(site, tmp_path, "/a")

    def test_passing_trouble(self, site, tmp_path):
        site.statuses = [503, 429]
        assert get(site, tmp_path, sha256=SHA256).read_bytes() == CONTENTS

    def test_missing_file_is_asked_for_once(self, site, tmp_path):
        with pytest.raises(InputError, match=r"nothing cannot be fetched: .*404 Not Found"):
            get(site, tmp_path, "/nothing")
        assert len(site.requests) == 1
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("announced", [True, False])
    def test_too_large(self, site, tmp_path, announced):
        site.announces_size = announced
        with pytest.raises(InputError, match=r"gives more than 0 MB"):
            get(site, tmp_path, max_bytes=300_000)
        assert not list(tmp_path.iterdir())

    def test_full_disk_is_noticed_before(self, site, tmp_path, monkeypatch):
        monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10**6}))
        with pytest.raises(InputError, match=r"needs 0 MB more, 1 MB are free.*downloads\.cache"):
            get(site, tmp_path)

    def test_offline(self, tmp_path):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{closed.getsockname()[1]}/data.bin"
        begin = time.monotonic()
        with pytest.raises(
            InputError, match=r"data\.bin: 127\.0\.0\.1 cannot be reached \(.*refused.*put it here"
        ) as error:
            download(url, tmp_path / "data.bin", wait_s=0.01)
        assert "\n" not in str(error.value)
        assert time.monotonic() - begin < 10

    def test_progress(self, site, tmp_path, caplog, monkeypatch):
        monkeypatch.setattr("smrestore.support.progress.LOG_INTERVAL", 0.0)
        with caplog.at_level("INFO"):
            get(site, tmp_path)
        assert "data.bin: 100%" in caplog.text or "data.bin:  66%" in caplog.text
        assert f"sha256 {SHA256}, not compared" in caplog.text


def tar(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as file:
        for member, contents in members:
            if isinstance(member, str):
                member = tarfile.TarInfo(member)
            member.size = len(contents)
            file.addfile(member, io.BytesIO(contents))
    return path


class TestArchive:
    @pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
    @pytest.mark.parametrize("prefix", ["", "./", "MDFStore/", "./a b/MDFStore/"])
    def test_file_is_found_by_the_end_of_its_path(self, tmp_path, mode, prefix):
        names = ["x13.mdf", "calibrations/13.mdf", "calibrations/3.mdf", "calibrations/._13.mdf"]
        path = tar(tmp_path / "a.tar", [(prefix + name, name.encode()) for name in names], mode)
        extract(path, "calibrations/13.mdf", tmp_path / "out" / "my.mdf")
        assert (tmp_path / "out" / "my.mdf").read_bytes() == b"calibrations/13.mdf"
        assert [p.name for p in (tmp_path / "out").iterdir()] == ["my.mdf"]

    def test_exact_name_wins(self, tmp_path):
        path = tar(tmp_path / "a.tar", [("old/c/1.mdf", b"old"), ("c/1.mdf", b"new")])
        extract(path, "c/1.mdf", tmp_path / "1.mdf")
        assert (tmp_path / "1.mdf").read_bytes() == b"new"
        with pytest.raises(InputError, match=r"1\.mdf: 2 files have this name.*old/c/1\.mdf, c/1"):
            extract(path, "1.mdf", tmp_path / "2.mdf")

    def test_names_never_become_paths(self, tmp_path):
        evil = ["../../evil/1.mdf", "/evil/1.mdf"]
        for i, name in enumerate(evil):
            path = tar(tmp_path / f"{i}.tar", [(name, b"evil")])
            folder = tmp_path / "deep" / "er"
            extract(path, "evil/1.mdf", folder / "1.mdf")
            assert (folder / "1.mdf").read_bytes() == b"evil"
        files = {p.name for p in tmp_path.rglob("*") if p.is_file()}
        assert files == {"0.tar", "1.tar", "1.mdf"}
        assert not Path("/evil").exists()

    @pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
    def test_links_and_devices_are_no_files(self, tmp_path, kind):
        link = tarfile.TarInfo("c/1.mdf")
        link.type, link.linkname = kind, "/etc/passwd"
        path = tar(tmp_path / "a.tar", [(link, b""), ("c/2.mdf", b"two")])
        with pytest.raises(InputError, match=r"c/1\.mdf: is not in the archive. Use one of c/2"):
            extract(path, "c/1.mdf", tmp_path / "1.mdf")
        assert not (tmp_path / "1.mdf").exists()

    def test_bomb(self, tmp_path, monkeypatch):
        monkeypatch.setattr(archives, "SLACK_BYTES", 10**6)
        path = tar(tmp_path / "a.tar", [("c/1.mdf", bytes(20_000_000))])
        assert path.stat().st_size < 30_000
        with pytest.raises(InputError, match=r"c/1\.mdf: holds more than \d MB, far more than"):
            extract(path, "c/1.mdf", tmp_path / "1.mdf")
        assert not (tmp_path / "1.mdf").exists()

    @pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
    def test_descriptions_are_not_taken_into_memory(self, tmp_path, kind):
        header = tarfile.TarInfo("x")
        header.type = kind
        for first in ([], [("c/0.mdf", b"")]):
            members = [*first, (header, bytes(20_000_000)), ("c/1.mdf", b"one")]
            path = tar(tmp_path / "a.tar", members)
            assert path.stat().st_size < 30_000
            with pytest.raises(
                InputError, match=r"a\.tar: a description inside is said to have 20"
            ):
                extract(path, "c/1.mdf", tmp_path / "1.mdf")

    def test_endless_names(self, tmp_path, monkeypatch):
        names = [f"{i}/1.mdf" for i in range(60)]
        path = tar(tmp_path / "a.tar", [(name, b"") for name in names])
        with pytest.raises(InputError, match=r"21 files have this name.*19/1\.mdf, \.\.\.$"):
            extract(path, "1.mdf", tmp_path / "1.mdf")
        extract(path, "50/1.mdf", tmp_path / "1.mdf")
        monkeypatch.setattr(archives, "MEMBERS", 40)
        with pytest.raises(InputError, match="holds more than 40 files"):
            extract(path, "50/1.mdf", tmp_path / "2.mdf")

    def test_names_do_not_steer_the_terminal(self, tmp_path):
        path = tar(tmp_path / "a.tar", [("c/\x1b[31mred\n\udcff.mdf", b"")])
        with pytest.raises(InputError, match=r"Use one of c/\\x1b\[31mred\\n\\udcff\.mdf$"):
            extract(path, "c/1.mdf", tmp_path / "1.mdf")

    @pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    def test_mutated_archives(self, tmp_path, form):
        """Changed bytes and cuts: a file of the archive, or a clear error."""
        rng = np.random.default_rng(form)
        path, result = tmp_path / "a.tar", tmp_path / "1.mdf"
        with tarfile.open(path, "w", format=form) as file:
            for name in ("x" * 150 + "/0.mdf", "c/1.mdf"):
                member = tarfile.TarInfo(name)
                member.size = 700
                file.addfile(member, io.BytesIO(bytes(700)))
        whole = path.read_bytes()
        used = np.flatnonzero(np.frombuffer(whole, np.uint8))
        outcomes = []
        for number in range(200):
            changed = bytearray(whole)
            for place in rng.choice(used, 1 + number % 3):
                changed[place] = rng.choice([0, 255, *b"0179 SLgxK=.\n"])
            end = rng.integers(1, len(whole)) if number % 5 == 0 else len(whole)
            path.write_bytes(changed[:end])
            try:
                extract(path, "c/1.mdf", result)
                outcomes.append("read")
            except InputError as error:
                assert "\n" not in str(error)
                outcomes.append("refused")
        assert set(outcomes) == {"read", "refused"}

    def test_announced_size_beyond_all_limits(self, tmp_path):
        with tarfile.open(tmp_path / "a.tar", "w") as file:
            member = tarfile.TarInfo("c/1.mdf")
            member.size = 2**60
            file.addfile(member)
        with pytest.raises(InputError, match="holds more than"):
            extract(tmp_path / "a.tar", "c/1.mdf", tmp_path / "1.mdf")

    def test_damage(self, tmp_path):
        whole = tar(tmp_path / "a.tar.gz", [("c/1.mdf", os.urandom(10_000))]).read_bytes()
        damaged = {
            "cut": whole[: len(whole) // 2],
            "flipped": whole[:5000] + bytes([whole[5000] ^ 255]) + whole[5001:],
            "text": b"<html>no such record</html>",
            "empty": b"",
        }
        for name, contents in damaged.items():
            (tmp_path / name).write_bytes(contents)
            with pytest.raises(InputError, match=rf"{name}: the archive is damaged") as error:
                extract(tmp_path / name, "c/1.mdf", tmp_path / "1.mdf")
            assert "\n" not in str(error.value)
            assert not (tmp_path / "1.mdf").exists()


def store(site, **options):
    defaults = {"name": "mine", "title": "Mine", "license": "none", "citation": "none"}
    return Store(
        **{**defaults, "url": f"{site.address}/store.tar.gz", "kind": "archive", **options}
    )


class TestFetch:
    @pytest.fixture
    def scans(self, world, tmp_path):
        members = [
            ("MDFStore/calibrations/13.mdf", world.calibration.read_bytes()),
            ("MDFStore/measurements/x y/1.mdf", world.empty.read_bytes()),
        ]
        return tar(tmp_path / "store.tar.gz", members).read_bytes()

    def test_archive_is_fetched_once_for_all_its_scans(self, world, site, scans, tmp_path):
        site.files["/store.tar.gz"] = scans
        cache = tmp_path / "cache"
        mine = store(site, sha256=hashlib.sha256(scans).hexdigest())
        for file, kind, original in (
            ("calibrations/13.mdf", "calibration", world.calibration),
            ("measurements/x y/1.mdf", "empty", world.empty),
            ("calibrations/13.mdf", "calibration", world.calibration),
        ):
            fetch_scan(mine, file, tmp_path / "scans" / "s.mdf", kind=kind, cache=cache)
            assert (tmp_path / "scans" / "s.mdf").is_symlink()
            assert (tmp_path / "scans" / "s.mdf").read_bytes() == original.read_bytes()
        assert len(site.requests) == 1
        with pytest.raises(InputError, match="is a calibration scan, but declared as empty"):
            fetch_scan(
                mine, "calibrations/13.mdf", tmp_path / "scans/e.mdf", kind="empty", cache=cache
            )

    def test_folder(self, world, site, tmp_path):
        contents = world.empty.read_bytes()
        site.files["/data/measurements/x y/1.mdf"] = contents
        file = "measurements/x y/1.mdf"
        mine = store(
            site,
            url=f"{site.address}/data/",
            kind="folder",
            sha256={file: hashlib.sha256(contents).hexdigest()},
        )
        assert fetch_file(mine, file, tmp_path) == tmp_path / "mine" / file
        assert (tmp_path / "mine" / file).read_bytes() == contents
        with pytest.raises(InputError, match="404"):
            fetch_file(mine, "measurements/2.mdf", tmp_path)
        with pytest.raises(InputError, match="is no path within a store"):
            fetch_file(mine, "../1.mdf", tmp_path)

    def test_store_that_is_larger_than_known(self, site, scans, tmp_path):
        site.files["/store.tar.gz"] = scans
        with pytest.raises(InputError, match="which is not what is expected"):
            fetch_file(store(site, size_MB=0.001), "calibrations/13.mdf", tmp_path)

    def test_file_system_without_locks(self, site, scans, tmp_path, monkeypatch, caplog):
        def refused(*_):
            raise OSError(errno.ENOLCK, "No locks available")

        site.files["/store.tar.gz"] = scans
        monkeypatch.setattr("fcntl.flock", refused)
        assert fetch_file(store(site), "calibrations/13.mdf", tmp_path).is_file()
        assert "cannot be locked (" in caplog.text

    def test_two_processes_fetch_once(self, site, scans, tmp_path):
        site.files["/store.tar.gz"] = scans
        code = (
            "import sys; from smrestore.public.fetch import *;"
            f"mine = Store('mine', 'Mine', {site.address + '/store.tar.gz'!r}, 'archive', '', '');"
            "print(fetch_file(mine, sys.argv[1], sys.argv[2]))"
        )
        processes = [
            subprocess.Popen([sys.executable, "-c", code, file, str(tmp_path / "cache")])
            for file in ("calibrations/13.mdf", "x y/1.mdf")
        ]
        assert [process.wait(timeout=120) for process in processes] == [0, 0]
        assert len(site.requests) == 1


class TestRegistry:
    def test_known_stores(self):
        stores = read_stores()
        assert set(yaml.safe_load(STORES.read_text())) == set(stores)
        for known in stores.values():
            assert known.kind in KINDS
            assert known.title and known.license and known.citation and known.setting
            assert all(check_file(file) is None for file in known.files)
            if known.kind == "archive" and known.sha256:
                assert len(known.sha256) == 64
                int(known.sha256, 16)
        snake = stores["zenodo-10646064"]
        assert snake.setting.startswith("snake")
        assert snake.sha256.startswith("046e0506")
        assert snake.address("calibrations/13.mdf") == snake.url
        file = "measurements/shapePhantom/1.mdf"
        assert stores["openmpidata"].address(file).endswith(f"/data/{file}")

    def test_own_stores_and_mirrors(self, tmp_path):
        own = tmp_path / "own.yaml"
        entry = {"title": "T", "url": "https://x.org/a.tar", "kind": "archive"}
        entry |= {"license": "CC0", "citation": "none"}
        own.write_text(yaml.safe_dump({"mine": entry, "zenodo-10646064": entry}))
        stores = read_stores(own)
        assert stores["mine"].title == stores["zenodo-10646064"].title == "T"
        assert set(stores) == {*read_stores(), "mine"}

    @pytest.mark.parametrize(
        ("change", "fault"),
        [
            ({"kind": "zip"}, "mine: unknown kind 'zip'"),
            ({"url": "ftp://x.org/a"}, "mine: 'ftp://x.org/a' is no web address"),
            ({"url": "https://x.org/a", "kind": "folder"}, "does not end with a slash"),
            ({"size_MB": "80"}, "size_MB is '80'"),
            ({"sha256": "046e"}, "'046e' is no SHA-256"),
            ({"sha256": 5}, "5 is no SHA-256"),
            (
                {"url": "https://x.org/a/", "kind": "folder", "sha256": "0" * 64},
                "sha256 of a folder is no list of files",
            ),
            ({"files": ["1.mdf"]}, "files are no list"),
            ({"sha265": "0"}, "unexpected keyword argument 'sha265'"),
        ],
    )
    def test_faulty_stores(self, tmp_path, change, fault):
        own = tmp_path / "own.yaml"
        entry = {"title": "T", "url": "https://x.org/a.tar", "kind": "archive"}
        own.write_text(
            yaml.safe_dump({"mine": {**entry, "license": "l", "citation": "c", **change}})
        )
        with pytest.raises(InputError, match=rf"own\.yaml: .*{fault}"):
            read_stores(own)

    def test_names_of_stores_are_names_of_folders(self, tmp_path):
        own = tmp_path / "own.yaml"
        entry = {"title": "T", "url": "https://x.org/a.tar", "kind": "archive"}
        for name in ("../evil", ".hidden", "a/b"):
            own.write_text(yaml.safe_dump({name: {**entry, "license": "l", "citation": "c"}}))
            with pytest.raises(InputError, match="is no name of a folder"):
                read_stores(own)

    def test_no_stores(self, tmp_path):
        with pytest.raises(InputError, match=r"no\.yaml: cannot be read"):
            read_stores(tmp_path / "no.yaml")
        (tmp_path / "list.yaml").write_text("- a")
        with pytest.raises(InputError, match=r"list\.yaml: holds no stores"):
            read_stores(tmp_path / "list.yaml")

    @pytest.mark.parametrize("file", ["/etc/passwd", "../x.mdf", "a/../../x.mdf", "a\\b.mdf", ""])
    def test_paths_that_leave_the_store(self, file):
        assert check_file(file)


def test_linked_scan_is_read(world, site, tmp_path):
    site.files["/data/1.mdf"] = world.empty.read_bytes()
    mine = store(site, url=f"{site.address}/data/", kind="folder")
    fetch_scan(mine, "1.mdf", tmp_path / "s.mdf", kind="empty", cache=tmp_path / "cache")
    assert mdf.read_spectra(tmp_path / "s.mdf", frames=[0]).shape == (1, 3, 817)
