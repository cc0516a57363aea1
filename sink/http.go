package sink

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"strings"

	"github.com/tracee-go/tracee/internal/courier"
	"github.com/tracee-go/tracee/types/trace"
)

var webhookKind = kind{
	schemes: []string{"webhook+https", "webhook+http"}, form: "webhook+https://host/path",
	doc:     "posts of JSON: an object each, or with batch= a list of them",
	example: "webhook+https://soc.example/hook?headers=/etc/tracee/hook.headers&severity=high",

	parameters: posted, batch: 1,
	check: wantsHosts(1, ""),
	open: func(d *Destination, _ Config) (courier.Carrier, error) {
		poster, err := d.poster(d.path, "application/json")
		if err != nil {
			return nil, err
		}
		return &webhookCarrier{courier.Posts{Poster: poster, Lists: d.queue.Batch > 1}}, nil
	},
}

type webhookCarrier struct{ courier.Posts }

func (w *webhookCarrier) Carry(ctx context.Context, texts [][]byte) error {
	return w.Posts.Carry(ctx, bare(texts))
}

var elasticsearchKind = kind{
	schemes: []string{"elasticsearch+https", "elasticsearch+http"}, form: "elasticsearch+https://host:9200/index",
	doc:     "bulk requests to Elasticsearch, or what speaks as it does; the index may be a data stream",
	example: "elasticsearch+https://search.example:9200/logs-tracee-default?headers=/etc/tracee/search.headers",

	parameters: posted, batch: 500, format: "ecs",
	check: func(d *Destination) error {
		if strings.ToLower(d.path) != d.path {
			return errors.New("names of indexes are in lower case")
		}
		return wantsPath(1, "9200", "index")(d)
	},
	open: func(d *Destination, _ Config) (courier.Carrier, error) {
		poster, err := d.poster("/_bulk", "application/x-ndjson")
		if err != nil {
			return nil, err
		}
		return &bulkCarrier{poster, trace.AppendJSONString(nil, strings.TrimPrefix(d.path, "/"))}, nil
	},
}

// bulkCarrier makes documents. Each has an id that its text gives, so that one that is sent again is not there twice.
type bulkCarrier struct {
	*courier.Poster
	index []byte
}

func (c *bulkCarrier) Carry(ctx context.Context, texts [][]byte) error {
	var body []byte
	for _, text := range texts {
		m := messageOf(text)
		body = append(append(body, `{"create":{"_index":`...), c.index...)
		body = append(append(append(body, `,"_id":"`...), textID(m.text)...), "\"}}\n"...)
		body = append(append(body, m.text...), '\n')
	}
	answer, err := c.Send(ctx, body)
	if err != nil {
		return err
	}
	return bulkVerdict(answer, len(texts))
}

// textID is an id of a text, the same whenever it is sent.
func textID(text []byte) string {
	hash := fnv.New128a()
	_, _ = hash.Write(text) // never fails
	return hex.EncodeToString(hash.Sum(nil))
}

// bulkVerdict reads what became of each document.
func bulkVerdict(answer []byte, texts int) error {
	var bulk struct {
		Errors bool
		Items  []map[string]struct {
			Status int
			Error  struct{ Type, Reason string }
		}
	}
	if err := json.Unmarshal(answer, &bulk); err != nil {
		return fmt.Errorf("the answer is not that of a bulk request: %w", err)
	}
	if !bulk.Errors {
		return nil
	}
	if len(bulk.Items) != texts {
		return fmt.Errorf("the answer is about %d documents, not %d", len(bulk.Items), texts)
	}
	p := &courier.Partial{}
	for i, item := range bulk.Items {
		for _, result := range item { // one
			switch status := result.Status; {
			case status < 300, status == http.StatusConflict: // it is there already
				continue
			case status == http.StatusTooManyRequests, status >= 500:
				p.Again = append(p.Again, i)
			default:
				p.Refused++
			}
			p.Err = fmt.Errorf("document refused: %d %s: %s", result.Status, result.Error.Type, result.Error.Reason)
		}
	}
	if p.Err == nil {
		return nil
	}
	return p
}
