package signatures

import "strings"

// Files whose content lets somebody be somebody else.
var (
	hashFiles = []string{
		"**/etc/shadow", "**/etc/gshadow", "**/etc/shadow-", "**/etc/gshadow-", "**/etc/security/opasswd", "**/etc/master.passwd",
		"/var/backups/shadow.bak", "/var/backups/gshadow.bak",
	}
	sshKeyFiles   = []string{"**/.ssh/id_*", "**/.ssh/*.pem", "**/etc/ssh/ssh_host_*_key", "**/.ssh/identity"}
	cloudKeyFiles = []string{
		"**/.aws/credentials", "**/.aws/sso/cache/", "**/.config/gcloud/credentials.db", "**/.config/gcloud/access_tokens.db",
		"**/.config/gcloud/application_default_credentials.json", "**/.config/gcloud/legacy_credentials/", "**/.azure/accessTokens.json",
		"**/.azure/msal_token_cache.*", "**/.kube/config", "**/.docker/config.json", "**/.git-credentials", "**/.config/git/credentials",
		"**/.netrc", "**/.pypirc", "**/.npmrc", "**/.vault-token", "**/.pgpass", "**/.my.cnf", "**/.config/gh/hosts.yml",
		"**/.oci/oci_api_key.pem", "**/.terraform.d/credentials.tfrc.json", "**/.s3cfg", "**/.boto", "**/.config/rclone/rclone.conf",
	}
	wallets = []string{
		"**/Login Data", "**/logins.json", "**/key4.db", "**/cookies.sqlite", "**/.local/share/keyrings/", "**/.gnupg/private-keys-v1.d/",
		"**/wallet.dat", "**/.electrum/wallets/", "**/.password-store/", "**/*.kdbx",
	}
	ticketFiles = []string{"/tmp/krb5cc_*", "**/etc/krb5.keytab", "/run/sudo/ts/", "/var/lib/sss/secrets/", "/var/run/sudo/ts/"}
	tlsKeyFiles = []string{"**/etc/ssl/private/", "**/etc/letsencrypt/live/*/privkey.pem", "**/etc/letsencrypt/archive/*/privkey*.pem", "**/etc/pki/tls/private/"}
)

var (
	sshPrograms = named("ssh sshd sshd-session sshd-auth ssh-add ssh-agent ssh-keygen ssh-keysign ssh-copy-id scp sftp git gpg-agent gnome-keyring-daemon " +
		"rsync mosh ansible autossh sshfs ssh-keyscan ssh-pkcs11-helper cloud-init")
	cloudPrograms = named("aws gcloud gsutil az kubectl helm k9s docker dockerd docker-credential-helper git git-remote-https git-credential-store " +
		"curl wget npm node yarn pnpm pip twine psql pg_dump pg_restore mysql mysqldump mariadb vault gh terraform rclone s3cmd podman buildah " +
		"skopeo kind minikube containerd buildkitd oci cargo go")
	walletPrograms = named("firefox firefox-bin firefox-esr chrome chromium chromium-browser brave opera gnome-keyring-daemon gnome-keyring-d kwalletd5 kwalletd6 " +
		"gpg gpg-agent gpg2 pass keepassxc electrum bitcoind bitcoin-qt seahorse thunderbird")
	ticketPrograms = named("kinit klist kdestroy kvno sssd krb5_child sshd sudo gssproxy rpc.gssd smbd winbindd net adcli samba nfs mount.cifs k5start")
	tlsServers     = named("nginx apache2 httpd haproxy postgres mysqld mariadbd dovecot postfix smtpd master exim4 lighttpd caddy traefik certbot openssl " +
		"slapd named vsftpd proftpd cupsd redis-server mosquitto rabbitmq-server stunnel stunnel4 make-ssl-cert envoy tlsmgr prosody")
)

var _ = declare(description{
	id: "TRC-2001", name: "Password hashes read", severity: high, tags: linuxAndContainer,
	doc:       "A program that does not check passwords opened the file with their hashes, under whatever name",
	technique: technique{"Credential Access", "OS Credential Dumping: /etc/passwd and /etc/shadow", "T1003.008", ""},
	response:  "Take the passwords of this machine as known. See what the program did with them, and who started it.",
	benign:    "Backup programs, configuration management, and administrators who look. Programs that check or maintain passwords are left out by their file in a directory of the system, not by their name, and so is what package managers start.",
	events:    with(append([]string{"security_file_open", "security_inode_rename", "security_inode_unlink", "link", "linkat"}, mountEvents...)...),
	newMatcher: func(s *surroundings) matcher {
		return newGuarded(s, hashFiles, authenticators.and(userManagers))
	},
})

var _ = declare(description{
	id: "TRC-2002", name: "Second name for a credential file", severity: high, tags: linuxAndContainer,
	doc:       "A file with credentials, or the directory it is in, is linked or mounted to be reached by another name",
	technique: technique{"Credential Access", "OS Credential Dumping: /etc/passwd and /etc/shadow", "T1003.008", ""},
	response:  "Look at who uses the new name (data: path). There is hardly an honest reason for it.",
	benign:    "Tools that build a root file system by bind mounts mount /etc itself, which is not reported.",
	events:    with(append([]string{"link", "linkat", "security_inode_symlink", "security_inode_rename"}, mountEvents...)...),
	newMatcher: watcherOf(secondName(compile(append(append([]string{}, hashFiles...), "**/.ssh/id_*", "**/etc/ssh/ssh_host_*_key",
		"**/etc/sudoers", "**/.aws/credentials")))),
})

var _ = declare(description{
	id: "TRC-2003", name: "Private SSH key read", severity: medium, tags: linuxAndContainer,
	doc:       "A private key of SSH was opened by something that is not SSH",
	technique: technique{"Credential Access", "Unsecured Credentials: Private Keys", "T1552.004", ""},
	response:  "Replace the key, and look on the machines that trust it for logins from here.",
	benign:    "Backup programs, editors, and searches through a home directory.",
	files: &fileRule{
		does: reads, paths: sshKeyFiles, unless: []string{"**/*.pub"}, except: sshPrograms, within: packageManagers,
	},
})

var _ = declare(description{
	id: "TRC-2004", name: "Access keys of cloud or service read", severity: medium, tags: linuxAndContainer,
	doc:       "A file with keys or passwords for a cloud, a cluster, a registry or a database was opened by a program that is not known to use it",
	technique: technique{"Credential Access", "Unsecured Credentials: Credentials In Files", "T1552.001", ""},
	response:  "Replace the keys, and look in the service's log for their use from elsewhere.",
	benign:    "Scripts and libraries that use these files themselves, such as boto3 in Python; backups.",
	files:     &fileRule{does: reads, paths: cloudKeyFiles, except: cloudPrograms, within: packageManagers},
})

var _ = declare(description{
	id: "TRC-2005", name: "Search for credentials", severity: medium, tags: linuxAndContainer,
	doc:       "A search was started for the marks or the names of keys and passwords",
	technique: technique{"Credential Access", "Unsecured Credentials: Credentials In Files", "T1552.001", ""},
	response:  "Look at what was found (the files that the same process or its siblings opened), and replace that.",
	benign:    "Developers who look for secrets in what they are about to publish; scanners of secrets.",
	command: &commandRule{
		programs: named("grep egrep fgrep rg ag ack find fd fdfind locate mlocate plocate zgrep strings git-grep xargs awk sed"),
		when:     searchesForSecrets, within: packageManagers,
	},
})

// searchesForSecrets looks at the arguments of programs that search.
func searchesForSecrets(c *command) bool {
	line := strings.ToLower(c.line)
	for _, mark := range []string{
		"private key", "begin rsa", "begin openssh", "id_rsa", "id_ed25519", "id_ecdsa", "id_dsa", "aws_secret", "aws_access_key", "akia", ".aws",
		"secret_access_key", "api_key", "apikey", "client_secret", ".git-credentials", "password=", "passwd=", "db_password", ".kube/config",
		"authorized_keys", ".netrc", ".pgpass", "wallet.dat", ".htpasswd", "ghp_", "xoxb-", "private_key", ".kdbx", "shadow.bak",
	} {
		if strings.Contains(line, mark) {
			return true
		}
	}
	return false
}

var _ = declare(description{
	id: "TRC-2006", name: "Credentials of many kinds collected", severity: high, tags: linuxAndContainer,
	doc:       "One process, or the processes that it started, opened credential files of several kinds within a minute",
	technique: technique{"Credential Access", "Unsecured Credentials: Credentials In Files", "T1552.001", ""},
	response:  "This is what stealers do: isolate the machine, and replace all that the data name.",
	benign:    "Backups of whole home directories.",
	events:    append([]string{"security_file_open"}, lifecycle...),
	newMatcher: func(s *surroundings) matcher {
		return newCollector(s)
	},
})

var _ = declare(description{
	id: "TRC-2007", name: "Environment of another process read", severity: low, tags: linuxAndContainer,
	doc:       "The environment of another process was read from /proc, where passwords and tokens often are",
	technique: technique{"Credential Access", "Unsecured Credentials", "T1552", ""},
	response:  "See what the other process had in its environment.",
	benign:    "Process monitors, service managers and crash reporters.",
	files: &fileRule{
		does: reads, paths: []string{"/proc/*/environ"}, except: initSystem.and(debuggers).and(containerManagers).and(named("ps top htop pgrep pkill lsof systemd-coredump apport needrestart sudo polkitd dbus-daemon tracee")),
		within: packageManagers, when: ofAnother,
	},
})

var _ = declare(description{
	id: "TRC-2008", name: "History of a shell read", severity: low, tags: linuxAndContainer,
	doc:       "What a user typed into a shell was read by something that is no shell; passwords are often among it",
	technique: technique{"Credential Access", "Unsecured Credentials: Bash History", "T1552.003", ""},
	response:  "Look for passwords in the history, and replace them.",
	benign:    "Users who search their own history with grep; backups.",
	files: &fileRule{
		does: reads, paths: historyFiles, except: shells.and(named("mysql psql python python3 sqlite3 redis-cli node less")),
	},
})

var _ = declare(description{
	id: "TRC-2009", name: "Store of passwords or keys read", severity: medium, tags: linuxAndContainer,
	doc:       "The passwords, cookies or keys that a browser, a key ring or a wallet keeps were opened by another program",
	technique: technique{"Credential Access", "Credentials from Password Stores", "T1555", ""},
	response:  "Replace what was kept there, end the sessions of the browser, and move money out of wallets.",
	benign:    "Backups, and browsers that import from each other.",
	files:     &fileRule{does: reads, paths: wallets, except: walletPrograms, within: packageManagers},
})

var _ = declare(description{
	id: "TRC-2011", name: "Ticket or keytab read", severity: medium, tags: linuxAndContainer,
	doc:       "Tickets of Kerberos, a keytab, or the time stamps of sudo were opened by a program that does not use them",
	technique: technique{"Credential Access", "Steal or Forge Kerberos Tickets: Ccache Files", "T1558.005", ""},
	response:  "Have the tickets revoked and the keytab made anew.",
	benign:    "Java programs that log in by Kerberos.",
	files:     &fileRule{does: reads, paths: ticketFiles, except: ticketPrograms.and(authenticators), within: packageManagers},
})

var _ = declare(description{
	id: "TRC-2014", name: "Private key of a server read", severity: medium, tags: linuxAndContainer,
	doc:       "The private key of a TLS certificate was opened by something that is not known as a server",
	technique: technique{"Credential Access", "Unsecured Credentials: Private Keys", "T1552.004", ""},
	response:  "Replace key and certificate, and have the old one revoked.",
	benign:    "Servers that are not known here, and scripts that hand renewed certificates on.",
	files:     &fileRule{does: reads, paths: tlsKeyFiles, except: tlsServers, within: packageManagers},
})

var _ = declare(description{
	id: "TRC-2015", name: "Sensitive file reached by an unusual way", severity: high, tags: linuxAndContainer,
	doc:       "A file with credentials, or one that decides what the machine runs, was opened through an io_uring or the 32-bit ABI: ways that are chosen to pass by those who watch syscalls",
	technique: technique{"Stealth", "Execution Guardrails", "T1480", ""},
	response:  "Take the program for hostile, whatever else it did.",
	benign:    "Servers that use io_uring for all their files, and programs of 32 bits.",
	files: &fileRule{
		does:   reads | writes,
		paths:  append(append(append(append([]string{}, hashFiles...), sshKeyFiles...), cloudKeyFiles...), "/etc/passwd", "**/etc/sudoers", "/etc/crontab", "/etc/cron.d/", "/etc/ld.so.preload", "/etc/pam.d/"),
		when:   unusually,
		unless: []string{"**/*.pub"},
	},
})
