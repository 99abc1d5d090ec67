#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Manifests appear, change, break, are repaired; any but a valid file of root is refused, with the reason."""

import os
import shutil
import subprocess

from lib import main, test
from lib.content import CACHE, COPIES, MANIFEST, VENDOR_MANIFEST, cache, manifest

REFUSED = 3
LIMIT = 64 * 1024


def refused(world, volume, *words):
    """The scan refuses the manifest; the reason names the file and contains WORDS."""
    result = world.programs.scan(volume).expect(REFUSED, "refused")
    for word in (MANIFEST, *words):
        assert word in result.reason, f"no {word!r} in: {result.reason}"
    return result.reason


def refused_text(world, volume, text, *words):
    volume.write(MANIFEST, text)
    return refused(world, volume, *words)


@test
def a_manifest_that_appears_is_picked_up(world):
    volume = world.volume()
    shutil.rmtree(volume.path("/etc/bootkeep"))
    daemon = world.daemon()
    view = daemon.volume(volume.name).wait_state("plain")
    volume.write(MANIFEST, manifest())
    view.wait_state("untrusted")
    assert view["Manifest"] == MANIFEST


@test
def a_vendors_manifest_is_picked_up_even_if_its_folders_were_missing(world):
    volume = world.volume()
    volume.remove(MANIFEST)
    daemon = world.daemon()
    view = daemon.volume(volume.name).wait_state("plain")
    volume.write(VENDOR_MANIFEST, manifest())
    view.wait_state("untrusted")
    volume.write(MANIFEST, manifest())
    view.wait("the administrator's taken", lambda p: p.get("Manifest") == MANIFEST)


@test
def removing_the_manifest_makes_the_volume_plain(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    volume.remove(MANIFEST)
    view.wait_state("plain")


@test
def a_broken_manifest_is_refused_with_its_line_and_picked_up_once_repaired(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    volume.write(MANIFEST, manifest(CACHE + '\n  <copy role="odd" from="/a" to="/a"/>'))
    view.wait_state("refused")
    reason = view["StateReason"]
    assert reason.startswith(f"{MANIFEST}:8: ") and "odd" in reason, reason
    daemon.wait_for(rf"manifest refused: .*{MANIFEST}:8: ")
    runs = volume.runs()
    volume.write("/etc/initramfs.conf", "changed while refused\n")
    volume.replace(MANIFEST, manifest())
    view.wait_state("fresh")
    assert volume.runs() == runs + 1


@test
def a_changed_manifest_is_built_at_once(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    builds = len(view.builds)
    volume.builder("second", 'cp "$1" "$2"', "%s", "%o")
    volume.write(MANIFEST, manifest(CACHE + cache("second", "second", "/etc/machine-id", "/boot/second"), COPIES))
    assert view.wait_build(builds)[0] == 0
    assert volume.read("/boot/second") == volume.read("/etc/machine-id")
    view.wait("the cache shown", lambda p: any(c[0] == "second" for c in p.get("Caches", [])))


@test
def a_symbolic_link_within_the_volume_is_followed_and_watched(world):
    volume = world.volume()
    os.rename(volume.path(MANIFEST), volume.path("/etc/real.xml"))
    volume.symlink(MANIFEST, "/etc/real.xml")
    daemon = world.daemon()
    view = daemon.volume(volume.name).wait_state("untrusted")
    volume.write("/etc/real.xml", "broken")
    view.wait_state("refused")


@test
def a_symbolic_link_out_of_the_volume_leads_nowhere(world):
    volume = world.volume()
    outside = world.path("outside.xml")
    with open(outside, "w", encoding="utf-8") as f:
        f.write(manifest())
    # as in a chroot: the path within the volume, where there is nothing
    for target in (outside, "../" * 20 + outside.lstrip("/")):
        volume.remove(MANIFEST)
        volume.symlink(MANIFEST, target)
        refused(world, volume, f"{MANIFEST} is a symbolic link to {target}: nothing is there")


def links_that_lead_nowhere(volume, place):
    """Puts each kind of them on the path to PLACE, and yields the link that the refusal must name."""
    folder = os.path.dirname(place)
    above = os.path.dirname(folder)
    for link, target in ((place, "/srv/gone.xml"), (place, "../../" * 9 + "srv/gone.xml"), (place, "bootcaches.xml"),
                         (place, "/mounted/bootcaches.xml"), (place, "/etc/initramfs.conf/below"),
                         (folder, "/srv/nowhere"), (folder, "bootkeep"), (folder, "/mounted"),
                         (folder, "/etc/initramfs.conf")):
        shutil.rmtree(volume.path(folder), ignore_errors=True)
        os.makedirs(volume.path(folder if link == place else above), exist_ok=True)
        os.symlink(target, volume.path(link))
        yield link, target
        os.unlink(volume.path(link))


@test
def a_dangling_link_is_refused_in_both_places(world):
    volume = world.volume()
    os.mkdir(volume.path("/mounted"))
    subprocess.run(["mount", "-t", "tmpfs", "bootkeep-test", volume.path("/mounted")], check=True)
    shutil.copy(volume.path(MANIFEST), volume.path("/mounted"))
    os.renames(volume.path(MANIFEST), volume.path("/srv/good.xml"))
    for place in (VENDOR_MANIFEST, MANIFEST):  # next to the administrator's there is a valid one of the vendor
        for link, target in links_that_lead_nowhere(volume, place):
            result = world.programs.scan(volume).expect(REFUSED, "refused")
            assert result.reason.startswith(f"{place}: {link} is a symbolic link to {target}: "), result.reason
        volume.write(place, volume.read("/srv/good.xml"))
        world.programs.scan(volume).expect(1)


@test
def the_repair_of_a_dangling_link_is_noticed(world):
    volume = world.volume()
    os.renames(volume.path(MANIFEST), volume.path("/srv/good.xml"))
    volume.write(VENDOR_MANIFEST, manifest())
    volume.symlink("/etc/bootkeep", "/srv/later")
    daemon = world.daemon()
    view = daemon.volume(volume.name).wait_state("refused")
    assert "/etc/bootkeep is a symbolic link to /srv/later" in view["StateReason"], view["StateReason"]
    os.mkdir(volume.path("/srv/later"))
    view.wait("the vendor's taken", lambda p: p.get("Manifest") == VENDOR_MANIFEST)
    volume.symlink("/srv/later/bootcaches.xml", "../good.xml.not")
    view.wait_state("refused")
    os.rename(volume.path("/srv/good.xml"), volume.path("/srv/good.xml.not"))
    view.wait("the administrator's taken", lambda p: p.get("Manifest") == MANIFEST)


@test
def a_builder_definition_that_others_may_change_is_ignored(world):
    volume = world.volume()
    world.programs.scan(volume).expect(1)
    definition = os.path.join(volume.builders, "pack.conf")
    unknown = 'unknown builder "pack"'
    for change, mend in ((lambda: os.chmod(definition, 0o646), lambda: os.chmod(definition, 0o644)),
                         (lambda: os.chmod(volume.builders, 0o757), lambda: os.chmod(volume.builders, 0o755)),
                         (lambda: os.chown(definition, 1000, 0), lambda: os.chown(definition, 0, 0))):
        change()
        result = world.programs.scan(volume).expect(REFUSED, "refused")
        assert unknown in result.reason, result.reason
        mend()
        world.programs.scan(volume).expect(1)


@test
def a_manifest_on_another_file_system_is_ignored(world):
    volume = world.volume()
    os.mkdir(world.path("foreign"))
    shutil.copy(volume.path(MANIFEST), world.path("foreign"))
    subprocess.run(["mount", "--bind", world.path("foreign"), volume.path("/etc/bootkeep")], check=True)
    result = world.programs.scan(volume)
    assert result.status in (REFUSED, 4), result.stdout


@test
def a_fifo_in_its_place_is_refused_and_blocks_nothing(world):
    volume = world.volume()
    volume.remove(MANIFEST)
    os.mkfifo(volume.path(MANIFEST))
    refused(world, volume)


@test
def a_directory_in_its_place_is_refused(world):
    volume = world.volume()
    volume.remove(MANIFEST)
    volume.mkdir(MANIFEST)
    refused(world, volume)


@test
def a_device_in_its_place_is_refused(world):
    volume = world.volume()
    volume.remove(MANIFEST)
    for kind, number in ((0o20644, os.makedev(1, 5)), (0o60644, os.makedev(7, 0))):
        os.mknod(volume.path(MANIFEST), kind, number)
        refused(world, volume)
        volume.remove(MANIFEST)


@test
def a_manifest_with_another_owner_is_refused(world):
    volume = world.volume()
    os.chown(volume.path(MANIFEST), 1000, 0)
    refused(world, volume, "owne")


@test
def a_manifest_that_others_may_write_is_refused(world):
    volume = world.volume()
    for mode in (0o664, 0o646, 0o666):
        os.chmod(volume.path(MANIFEST), mode)
        refused(world, volume, "writable")
    os.chmod(volume.path(MANIFEST), 0o600)
    world.programs.scan(volume).expect(1)


@test
def a_refused_file_repaired_by_chmod_alone_is_picked_up(world):
    volume = world.volume()
    os.chmod(volume.path(MANIFEST), 0o666)
    daemon = world.daemon()
    view = daemon.volume(volume.name).wait_state("refused")
    os.chmod(volume.path(MANIFEST), 0o644)
    view.wait_state("untrusted")


@test
def a_folder_that_others_may_change_is_refused_until_it_is_repaired(world):
    volume = world.volume()
    os.chmod(volume.path("/etc/bootkeep"), 0o777)
    refused(world, volume, "/etc/bootkeep is writable by users other than root")
    daemon = world.daemon()
    view = daemon.volume(volume.name).wait_state("refused")
    os.chmod(volume.path("/etc/bootkeep"), 0o755)
    view.wait_state("untrusted")


@test
def a_manifest_on_a_separate_usr_does_not_belong_to_this_volume(world):
    volume = world.volume()
    os.unlink(volume.path(MANIFEST))
    subprocess.run(["mount", "-t", "tmpfs", "bootkeep-test", volume.path("/usr")], check=True)
    world.programs.scan(volume).expect(2, "none")
    volume.write(MANIFEST, manifest())  # whose each= is below /usr
    result = world.programs.scan(volume).expect(4, "error")
    assert result.reason == f"{MANIFEST}:3: cannot read /usr/lib/modules: its path leaves the volume", result.reason


@test
def the_end_of_a_mount_in_the_way_is_noticed(world):
    volume = world.volume()
    subprocess.run(["mount", "-t", "tmpfs", "bootkeep-test", volume.path("/usr")], check=True)
    daemon = world.daemon(config={"Build": {"RetrySec": "1"}})
    view = daemon.volume(volume.name).wait_state("failed", "given-up")
    subprocess.run(["umount", volume.path("/usr")], check=True)
    view.wait_state("untrusted")


@test
def sixty_four_kib_are_read_and_one_byte_more_is_refused(world):
    volume = world.volume()
    text = manifest()
    padding = LIMIT - len(text) - len("<!---->")
    full = text.replace("\n</bootcaches>", f"<!--{'x' * padding}-->\n</bootcaches>")
    assert len(full) == LIMIT
    volume.write(MANIFEST, full)
    world.programs.scan(volume).expect(1, "stale")
    refused_text(world, volume, full + "\n", "64 KiB")


@test
def a_doctype_is_refused_with_everything_in_it(world):
    volume = world.volume()
    secret = world.path("secret")
    with open(secret, "w", encoding="utf-8") as f:
        f.write("the secret")
    bodies = {
        "plain": "<!DOCTYPE bootcaches>",
        "bomb": '<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa">' + "".join(
            f'<!ENTITY {chr(98 + i)} "{("&" + chr(97 + i) + ";") * 10}">' for i in range(9)) + "]>",
        "file": f'<!DOCTYPE b [<!ENTITY x SYSTEM "file://{secret}">]>',
        "dtd": f'<!DOCTYPE b SYSTEM "file://{secret}">',
        "parameter": f'<!DOCTYPE b [<!ENTITY % x SYSTEM "file://{secret}"> %x;]>',
    }
    for doctype in bodies.values():
        text = f'<?xml version="1.0"?>\n{doctype}\n<bootcaches version="1">&x;</bootcaches>\n'
        reason = refused_text(world, volume, text, "DOCTYPE")
        assert "the secret" not in reason


@test
def violations_of_the_schema_are_refused_with_their_line(world):
    volume = world.volume()
    bad = {
        "element": ('\n  <fetch url="http://x"/>', ":3:", "fetch"),
        "attribute": ('\n  <copy role="misc" mode="1" from="/a" to="/a"/>', ":3:", "mode"),
        "role": ('\n  <copy role="often" from="/a" to="/a"/>', ":3:", "often"),
        "helper": ('\n  <copy role="misc" helper="usb" from="/a" to="/a"/>', ":3:", "usb"),
        "specifier": ('\n  <copy role="misc" from="/%x" to="/a"/>', ":3:", "%x"),
        "specifier without each": ('\n  <copy role="misc" from="/%i" to="/a"/>', ":3:", "%i"),
        "dot dot": ('\n  <copy role="misc" from="/a/../b" to="/a"/>', ":3:", "/a/../b"),
        "relative": ('\n  <copy role="misc" from="a" to="/a"/>', ":3:"),
        "no output": ('\n  <cache name="a" builder="pack"><source path="/a"/></cache>', ":3:", "output"),
        "text": ("\n  hello", ":"),
        "xinclude": ('\n  <xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="x"/>', ":3:"),
        "duplicate": (cache("a", "pack", "/x", "/y") + cache("a", "pack", "/x", "/z"), ":7:", "a"),
        "builder": (cache("a", "nonesuch", "/x", "/y"), ":3:", "nonesuch"),
        "circle": (cache("a", "pack", "/x", "/y") + cache("b", "pack", "/y", "/x"), ":", "dependency cycle"),
        "two outputs": (cache("a", "pack", "/x", "/y") + cache("b", "pack", "/x", "/y"), ":", "/y"),
    }
    for what, (body, *words) in bad.items():
        volume.write(MANIFEST, manifest(body))
        result = world.programs.scan(volume)
        assert result.status == REFUSED, f"{what}: {result.status} {result.stdout}"
        for word in (MANIFEST + ":", *words):
            assert word in result.reason, f"{what}: no {word!r} in {result.reason!r}"


@test
def what_is_not_xml_is_refused(world):
    volume = world.volume()
    good = manifest()
    nested = "<cache>" * 5000 + "</cache>" * 5000
    attributes = "<cache " + " ".join(f'a{i}="1"' for i in range(6000)) + "/>"
    bad = {
        "empty": "",
        "truncated": good[:-20],
        "nothing after its head": good.split("\n", 1)[0],
        "NUL": good.replace("initramfs", "init\0ramfs", 1),
        "nested": manifest(nested),
        "attributes": manifest(attributes),
        "version": good.replace('version="1">', 'version="2">'),
        "UTF-16": good.encode("utf-16"),
        "latin 1": good.replace("UTF-8", "ISO-8859-1"),
        "garbage": bytes(range(256)) * 20,
        "after the end": good + "<more/>",
    }
    for what, text in bad.items():
        volume.write(MANIFEST, text)
        result = world.programs.scan(volume)
        assert result.status == REFUSED, f"{what}: {result.status} {result.stdout}"
        assert MANIFEST in result.reason, f"{what}: {result.reason}"


@test
def too_many_instances_are_refused(world):
    volume = world.volume()
    for i in range(4097):
        os.mkdir(volume.path(f"/usr/lib/modules/{i}"))
    refused(world, volume, "4096")


@test
def a_hostile_manifest_leaves_the_daemon_serving_the_others(world):
    bad = world.volume(name="bad")
    good = world.volume(name="good")
    bad.write(MANIFEST, "<!DOCTYPE x [<!ENTITY a 'a'>]><x/>")
    daemon = world.daemon()
    daemon.volume(bad.name).wait_state("refused")
    daemon.trusted(good)
    assert daemon.volume(bad.name)["State"] == "refused"


@test
def a_refused_manifest_builds_nothing_when_trusted_or_forced(world):
    volume = world.volume()
    volume.write(MANIFEST, "broken")
    world.programs.build(volume).expect(REFUSED)
    world.programs.build(volume, "--force").expect(REFUSED)
    assert volume.runs() == 0


main()
