package sink

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/tracee-go/tracee/internal/courier"
	"github.com/tracee-go/tracee/sink/schema"
)

// kinds are all kinds of destinations.
func kinds() []*kind {
	return []*kind{
		&stdoutKind, &fileKind, &syslogUnixKind, &syslogKind, &webhookKind, &otlpHTTPKind, &otlpGRPCKind, &kafkaKind, &natsKind,
		&elasticsearchKind,
	}
}

func lookupKind(scheme string) *kind {
	for _, k := range kinds() {
		if slices.Contains(k.schemes, scheme) {
			return k
		}
	}
	return nil
}

func schemes() (names []string) {
	for _, k := range kinds() {
		names = append(names, k.schemes...)
	}
	return names
}

// Schemes are the beginnings of URLs, each with what it is for.
func Schemes() (found [][2]string) {
	for _, k := range kinds() {
		for _, scheme := range k.schemes {
			found = append(found, [2]string{scheme, k.doc})
		}
	}
	return found
}

// Help describes all destinations, for --output help.
func Help() string {
	var b strings.Builder
	b.WriteString("Destinations, as scheme://address/path?parameter=value&…; several may be given:\n")
	for _, k := range kinds() {
		fmt.Fprintf(&b, "  %-44s %s\n", k.form, k.doc)
		for _, p := range k.parameters {
			if slices.ContainsFunc(secured, func(s parameter) bool { return s.name == p.name }) {
				continue
			}
			fmt.Fprintf(&b, "    %-42s %s\n", p.name+"="+p.value, p.doc)
		}
	}
	b.WriteString("\nParameters of all that speak TLS:\n")
	writeParameters(&b, secured)
	b.WriteString("\nParameters of all destinations:\n")
	writeParameters(&b, common)
	b.WriteString("\nFormats, as format=name:\n")
	for _, f := range schema.Formats {
		fmt.Fprintf(&b, "    %-42s %s\n", f.Name, f.Doc)
	}
	b.WriteString("\nIn a shell, a URL with & or ? stands in quotes. docs/guide/destinations.md says more.\n")
	return b.String()
}

func writeParameters(b *strings.Builder, list []parameter) {
	for _, p := range list {
		fmt.Fprintf(b, "    %-42s %s\n", p.name+"="+p.value, p.doc)
	}
}

// wantsHosts checks addresses, host:port each, which may be several. The default port is filled in.
func wantsHosts(most int, port string) func(*Destination) error {
	return func(d *Destination) error {
		hosts := strings.Split(d.address, ",")
		if len(hosts) > most {
			return errors.New("one address only")
		}
		for i, host := range hosts {
			if host == "" {
				return errors.New("no address")
			}
			if _, _, err := net.SplitHostPort(host); err != nil && port != "" {
				host = net.JoinHostPort(strings.Trim(host, "[]"), port)
			}
			if _, p, err := net.SplitHostPort(host); err != nil && port != "" {
				return fmt.Errorf("address %s", host)
			} else if n, err := strconv.ParseUint(p, 10, 16); port != "" && (err != nil || n == 0) {
				return fmt.Errorf("port %q is no number from 1 to 65535", p)
			}
			hosts[i] = host
		}
		d.address = strings.Join(hosts, ",")
		return nil
	}
}

// wantsPath checks addresses, and that the path is one name, such as a topic.
func wantsPath(most int, port, what string) func(*Destination) error {
	hosts := wantsHosts(most, port)
	return func(d *Destination) error {
		if err := hosts(d); err != nil {
			return err
		}
		if name := strings.TrimPrefix(d.path, "/"); name == "" || strings.ContainsAny(name, "/ \t\n*>") {
			return fmt.Errorf("no %s", what)
		}
		return nil
	}
}

// poster makes a poster of a destination whose scheme ends in http or https.
func (d *Destination) poster(path, contentType string) (*courier.Poster, error) {
	scheme := d.scheme[strings.LastIndexByte(d.scheme, '+')+1:]
	return courier.NewPoster(courier.Post{
		Name: d.Name, URL: scheme + "://" + d.address + path, ContentType: contentType, HeaderFile: d.options.headers,
		Gzip: d.options.compress, TLS: d.options.tls,
		Retry: []int{401, 403, 404, 407}, // the file of headers may be mended, and what is not there made
	})
}
