package signatures

import (
	"strings"

	"github.com/tracee-go/tracee/types/trace"
)

var _ = declare(description{
	id: "TRC-2501", name: "Many files replaced by others of a new kind", severity: critical, tags: linuxAndContainer,
	doc:        "A process, or those that it started, made a file beside many others with one more ending and removed the original: as encryption for ransom does",
	technique:  technique{"Impact", "Data Encrypted for Impact", "T1486", ""},
	response:   "Stop the process at once (data: program) and take the machine off the network. The data name the new ending.",
	benign:     "Programs that compress files one by one; the endings of those that are known are left out.",
	events:     with("security_file_open", "security_inode_unlink", "security_inode_rename"),
	newMatcher: func(s *surroundings) matcher { return newEncryption(s) },
})

var _ = declare(description{
	id: "TRC-2507", name: "Many documents written over", severity: high, tags: linuxAndContainer,
	doc:        "A process opened many documents for reading and writing, without making them anew: as encryption in place does",
	technique:  technique{"Impact", "Data Encrypted for Impact", "T1486", ""},
	response:   "Stop the process at once (data: program), and look at one of the documents.",
	benign:     "Programs that change the marks of pictures or music in place, as far as they are not known here: scripts of exiftool or mutagen.",
	events:     with("security_file_open"),
	newMatcher: func(s *surroundings) matcher { return newOverwriting(s) },
})

var _ = declare(description{
	id: "TRC-2508", name: "Program for encryption run for many files", severity: medium, tags: linuxAndContainer,
	doc:        "The same process started a program that encrypts for many different files within a minute",
	technique:  technique{"Impact", "Data Encrypted for Impact", "T1486", ""},
	response:   "Stop the process at once (data: started by), and look at what became of the files.",
	benign:     "Backups and stores of passwords that encrypt file by file: therefore it is no more than medium.",
	events:     with(),
	newMatcher: func(s *surroundings) matcher { return newEncryptors(s) },
})

var _ = declare(description{
	id: "TRC-2502", name: "Many files of users removed", severity: medium, tags: linuxAndContainer,
	doc:        "A process removed hundreds of files from where users and services keep their data",
	technique:  technique{"Impact", "Data Destruction", "T1485", ""},
	response:   "Stop the process if nobody meant it, and leave the disk alone so that the files can be recovered.",
	benign:     "Users who remove a large directory. Hidden directories, and those that programs build again, are left out.",
	events:     with("security_inode_unlink"),
	newMatcher: func(s *surroundings) matcher { return newDestruction(s) },
})

var _ = declare(description{
	id: "TRC-2503", name: "File or disk overwritten for good", severity: medium, tags: linuxAndContainer,
	doc:       "A program was started that overwrites files or disks so that they can not be recovered",
	technique: technique{"Impact", "Data Destruction", "T1485", ""},
	response:  "Ask who meant it. What is overwritten is gone: look for backups.",
	benign:    "Administrators who take a disk out of service, and scripts that handle keys.",
	command: &commandRule{within: packageManagers, when: func(c *command) bool {
		return c.runsAny("shred", "wipe", "srm", "scrub", "nwipe", "sfill", "sswap", "blkdiscard", "hdparm-erase") ||
			c.runsAny("dd") && c.says("of=/dev/sd", "of=/dev/nvme", "of=/dev/vd", "of=/dev/xvd", "of=/dev/mmcblk", "of=/dev/disk", "of=/dev/mapper") ||
			c.runsAny("nvme") && c.has("format", "sanitize") || c.runsAny("hdparm") && c.says("--security-erase")
	}},
})

// disks are the devices with file systems on them.
var disks = []string{
	"/dev/sd*", "/dev/vd*", "/dev/xvd*", "/dev/nvme*n*", "/dev/hd*", "/dev/mmcblk*", "/dev/dm-*", "/dev/md*", "/dev/mapper/*", "/dev/nbd*", "/dev/zd*", "/dev/block/*",
}

var diskPrograms = named("mkfs mke2fs mkswap mkfs.ext4 mkfs.xfs mkfs.btrfs mkfs.vfat mkfs.fat fsck fsck.ext4 e2fsck fsck.fat fsck.vfat xfs_repair tune2fs resize2fs " +
	"fdisk sfdisk cfdisk parted partprobe gdisk sgdisk lvm lvcreate pvcreate vgcreate dmsetup dmeventd cryptsetup mdadm mount umount losetup swapon swapoff systemd-udevd " +
	"udevadm udisksd blkid lsblk wipefs systemd-growfs growpart grub-install grub-probe grub-bios-setup smartd smartctl multipathd nvme hdparm " +
	"systemd-gpt-auto-generator systemd-fsck systemd-cryptsetup systemd-makefs systemd-remount-fs blockdev findfs kpartx partx btrfs zfs zpool zed xfs_growfs " +
	"qemu-system-x86_64 qemu-img os-prober fstrim iscsid tgtd dracut initramfs-tools systemd-repart bootctl lvs pvs vgs e2label e2image dumpe2fs blkdiscard " +
	"thin_check cache_check ntfs-3g fwupd systemd-gpt-auto-gen snapd")

var _ = declare(description{
	id: "TRC-2504", name: "Disk written past the file system", severity: high, tags: linuxAndContainer,
	doc:       "A disk was opened for writing by a program that is not made for disks: it can change any file without opening it, or destroy all",
	technique: technique{"Impact", "Disk Wipe: Disk Content Wipe", "T1561.001", ""},
	response:  "Stop the process, and check the file systems of the disk from outside.",
	benign:    "Programs for disks that are not known here, and databases on raw devices.",
	files: &fileRule{
		does: writes, paths: append([]string{"/dev/loop*", "/dev/ram*"}, disks...), unless: []string{"/dev/loop-control"},
		except: diskPrograms, within: packageManagers,
	},
})

var _ = declare(description{
	id: "TRC-2505", name: "Disk read past the file system", severity: medium, tags: linuxAndContainer,
	doc:       "A disk was opened for reading by a program that is not made for disks: it can read any file without opening it",
	technique: technique{"Stealth", "Direct Volume Access", "T1006", ""},
	response:  "Take all that is on the disk as known.",
	benign:    "Programs that copy disks, and monitors of hardware that are not known here.",
	files: &fileRule{
		does: reads, paths: disks, except: diskPrograms.and(containerManagers, initSystem), within: packageManagers,
		when: func(_ *surroundings, e *trace.Event) bool { return !opensForWriting(text(e, "flags")) },
	},
})

var _ = declare(description{
	id: "TRC-2506", name: "Note about a ransom", severity: high, tags: linuxAndContainer,
	doc:       "A file was written whose name is that of the notes that are left after encryption",
	technique: technique{"Impact", "Data Encrypted for Impact", "T1486", ""},
	response:  "Stop the process at once and take the machine off the network.",
	benign:    "Documentation with such a name.",
	events:    with("security_file_open"),
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		if e.EventName != "security_file_open" || !strings.Contains(text(e, "flags"), "O_CREAT") {
			return nil, false
		}
		path := text(e, "pathname")
		if !isNote(base(path)) || s.startedBy(e, packageManagers.and(containerManagers, named("git"))) {
			return nil, false
		}
		return s.about(e, strings.Clone(path)), true
	}),
})

// isNote reports whether a file is called like a note about a ransom: in capitals, about restoring or decrypting.
func isNote(name string) bool {
	if len(name) < len("DECRYPT.txt") || !endsIn(name, ".txt", ".html", ".hta", ".md", ".TXT") {
		return false
	}
	upper := strings.ToUpper(name)
	about := containsAny(upper, "RESTORE", "DECRYPT", "RECOVER", "RANSOM", "ENCRYPTED", "UNLOCK")
	calls := containsAny(upper, "README", "READ_ME", "READ-ME", "HOW_TO", "HOW-TO", "HOWTO", "INSTRUCTION", "YOUR_FILES", "YOUR-FILES", "RANSOM", "!!!")
	return about && calls
}
