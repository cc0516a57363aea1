package rules

import (
	"errors"
	"fmt"

	"github.com/tracee-go/tracee/types/detect"
)

// describe reads metadata and selectors.
func (s *regoSignature) describe(p regoPackage) error {
	document, err := p.value("__rego_metadoc__")
	if err != nil {
		return err
	}
	if s.metadata, err = readMetadata(document); err != nil {
		return p.wrong("__rego_metadoc__", ": "+err.Error())
	}
	selected, err := p.value("tracee_selected_events")
	if err != nil {
		return err
	}
	if s.selectors, err = readSelectors(selected); err != nil {
		return p.wrong("tracee_selected_events", ": "+err.Error())
	}
	return nil
}

func readMetadata(document any) (detect.SignatureMetadata, error) {
	var m detect.SignatureMetadata
	object, ok := document.(map[string]any)
	if !ok {
		return m, errors.New("not an object")
	}
	for key, field := range map[string]*string{
		"id": &m.ID, "version": &m.Version, "name": &m.Name, "description": &m.Description,
	} {
		if v, ok := object[key]; ok {
			if *field, ok = v.(string); !ok {
				return m, fmt.Errorf("%s is not a string", key)
			}
		}
	}
	if m.ID == "" {
		return m, errors.New("id is missing")
	}
	tags, _ := object["tags"].([]any)
	for _, tag := range tags {
		m.Tags = append(m.Tags, fmt.Sprint(tag))
	}
	m.Properties, _ = object["properties"].(map[string]any)
	return m, nil
}

func readSelectors(selected any) ([]detect.SignatureEventSelector, error) {
	list, ok := selected.([]any) // a set or an array: both come as a list
	if !ok {
		return nil, errors.New("not a set")
	}
	var selectors []detect.SignatureEventSelector
	for _, element := range list {
		object, ok := element.(map[string]any)
		if !ok {
			return nil, errors.New("a selector is not an object")
		}
		var s detect.SignatureEventSelector
		s.Source, _ = object["source"].(string)
		s.Name, _ = object["name"].(string)
		s.Origin, _ = object["origin"].(string)
		selectors = append(selectors, s)
	}
	return selectors, nil
}
