package acceptance

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// goldenFiles hold what CloudFormation makes of each template. The tests with the
// tag acceptance hold them against the templates; those without read them, because
// they need nothing but Go.
var goldenFiles = map[string]string{mainTemplate: "testdata/transformed.json",
	networkTemplate: "testdata/network.json", balancerTemplate: "testdata/alb.json",
	cloudfrontTemplate: "testdata/cloudfront.json", deployerTemplate: "testdata/deployer.json"}

// The templates, in the order in which they are deployed.
const (
	mainTemplate       = "template.yaml"
	networkTemplate    = "network.yaml"
	balancerTemplate   = "alb.yaml"
	cloudfrontTemplate = "cloudfront.yaml"
	deployerTemplate   = "deployer.yaml" // before all others, by somebody else
)

// template is the transformed template.
type template struct {
	Parameters map[string]parameter
	Metadata   struct {
		Interface struct {
			ParameterGroups []struct {
				Label      struct{ Default string }
				Parameters []string
			}
		} `json:"AWS::CloudFormation::Interface"`
	}
	Mappings   map[string]map[string]map[string]any
	Conditions map[string]any
	Rules      map[string]rule
	Resources  map[string]resource
	Outputs    map[string]struct {
		Description, Condition string
		Value                  any
	}
}

// rule is what values have to fulfil together.
type rule struct {
	RuleCondition any // nil holds always
	Assertions    []struct {
		Assert            any
		AssertDescription string
	}
}

type parameter struct {
	Type, Description, ConstraintDescription, AllowedPattern string
	Default                                                  any
	AllowedValues                                            []any
	MinValue, MaxValue                                       *float64
	MaxLength                                                int
	NoEcho                                                   bool
}

type resource struct {
	Type, Condition                     string
	DependsOn                           any
	DeletionPolicy, UpdateReplacePolicy string
	Properties                          map[string]any
}

// golden reads what the main template makes.
func golden(t testing.TB) template {
	t.Helper()
	of, _ := goldenOf(t, mainTemplate)
	return of
}

// goldenOf reads what a template makes, and the SHA-256 of the template.
func goldenOf(t testing.TB, name string) (of template, sum string) {
	t.Helper()
	data, err := os.ReadFile(goldenFiles[name])
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Sum         string `json:"sha256 of the template"`
		Transformed template
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber() // 4400000 is no 4.4e+06
	if err := decoder.Decode(&file); err != nil {
		t.Fatal(err)
	}
	return file.Transformed, file.Sum
}

// Where the stack of these tests is deployed to.
var pseudo = map[string]any{"AWS::StackName": "prod", "AWS::Region": "eu-central-1", "AWS::AccountId": "123456789012",
	"AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com",
	"AWS::StackId": "arn:aws:cloudformation:eu-central-1:123456789012:stack/prod/1f2a3b4c-0000-11f0-9999-0a1b2c3d4e5f"}

// noValue is what AWS::NoValue is resolved to: the property is not there.
type noValue struct{}

// deployment is the template with values for its parameters: what CloudFormation
// would create.
type deployment struct {
	template
	values map[string]any
	// made are the resources whose condition holds, resolved.
	made map[string]resource
	t    testing.TB
}

// deploy resolves the main template with its defaults, but for the values that are
// given as NAME=VALUE.
func deploy(t testing.TB, overrides ...string) deployment {
	t.Helper()
	return deployOf(t, mainTemplate, overrides...)
}

// deployOf resolves a template.
func deployOf(t testing.TB, name string, overrides ...string) deployment {
	t.Helper()
	of, _ := goldenOf(t, name)
	d := deployment{template: of, values: maps.Clone(pseudo), t: t}
	for name, p := range of.Parameters {
		if p.Default != nil {
			d.values[name] = valueOf(p, fmt.Sprint(p.Default))
		}
	}
	for _, o := range overrides {
		name, value, _ := strings.Cut(o, "=")
		if _, ok := pseudo[name]; ok {
			d.values[name] = value
			continue
		}
		p, ok := of.Parameters[name]
		if !ok {
			t.Fatalf("the template has no parameter %s", name)
		}
		d.values[name] = valueOf(p, value)
	}
	d.made = map[string]resource{}
	for id, r := range of.Resources {
		if r.Condition != "" && !d.holds(r.Condition) {
			continue
		}
		if r.Properties != nil {
			r.Properties = d.resolve(r.Properties).(map[string]any)
		}
		d.made[id] = r
	}
	return d
}

// valueOf is a parameter's value as Ref gives it: text, or a list of texts.
func valueOf(p parameter, value string) any {
	if p.Type != "CommaDelimitedList" && !strings.HasPrefix(p.Type, "List<") {
		return value
	}
	var list []any
	for v := range strings.SplitSeq(value, ",") {
		list = append(list, strings.TrimSpace(v))
	}
	return list
}

// resolve replaces intrinsic functions by what they give. A reference to a resource
// becomes <Name> or <Name.Attribute>, but for names that the template itself gives.
func (d deployment) resolve(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 1 {
			for name, argument := range v {
				if resolved, ok := d.call(name, argument); ok {
					return resolved
				}
			}
		}
		members := map[string]any{}
		for name, member := range v {
			if r := d.resolve(member); r != (noValue{}) {
				members[name] = r
			}
		}
		return members
	case []any:
		list := []any{}
		for _, member := range v {
			if r := d.resolve(member); r != (noValue{}) {
				list = append(list, r)
			}
		}
		return list
	default:
		return v
	}
}

// call resolves one intrinsic function.
func (d deployment) call(name string, argument any) (result any, ok bool) {
	switch name {
	case "Ref":
		return d.ref(argument.(string)), true
	case "Fn::GetAtt":
		parts := argument.([]any)
		return d.attribute(parts[0].(string), parts[1].(string)), true
	case "Fn::If":
		parts := argument.([]any)
		if d.holds(parts[0].(string)) {
			return d.resolve(parts[1]), true
		}
		return d.resolve(parts[2]), true
	case "Fn::Join":
		parts := argument.([]any)
		return strings.Join(texts(d.resolve(parts[1])), parts[0].(string)), true
	case "Fn::Split":
		parts := argument.([]any)
		var list []any
		for _, part := range strings.Split(fmt.Sprint(d.resolve(parts[1])), parts[0].(string)) {
			list = append(list, part)
		}
		return list, true
	case "Fn::Select":
		parts := argument.([]any)
		return at(d.resolve(parts[1]), number(d.t, parts[0])), true
	case "Fn::FindInMap":
		keys := texts(d.resolve(argument))
		value, ok := d.Mappings[keys[0]][keys[1]][keys[2]]
		if !ok {
			d.t.Errorf("the mapping %v is missing", keys)
		}
		return value, true
	case "Fn::Sub":
		return d.sub(argument), true
	case "Fn::GetAZs":
		return []any{"eu-central-1a", "eu-central-1b", "eu-central-1c"}, true
	case "Fn::Cidr":
		parts := argument.([]any)
		return blocks(d.t, fmt.Sprint(d.resolve(parts[0])), number(d.t, parts[1]), number(d.t, parts[2])), true
	}
	if strings.HasPrefix(name, "Fn::") {
		d.t.Fatalf("these tests cannot resolve %s", name)
	}
	return nil, false
}

// blocks are the first blocks of addresses of a network, each with so many bits for its hosts.
func blocks(t testing.TB, network string, count, bits int) []any {
	t.Helper()
	whole, err := netip.ParsePrefix(network)
	if err != nil {
		t.Fatal(err)
	}
	first := whole.Masked().Addr().As4()
	var all []any
	for i := range count {
		var next [4]byte
		binary.BigEndian.PutUint32(next[:], binary.BigEndian.Uint32(first[:])+uint32(i)<<bits)
		all = append(all, netip.PrefixFrom(netip.AddrFrom4(next), 32-bits).String())
	}
	return all
}

func (d deployment) ref(name string) any {
	if name == "AWS::NoValue" {
		return noValue{}
	}
	if value, ok := d.values[name]; ok {
		return value
	}
	of, ok := d.Resources[name]
	if !ok {
		d.t.Errorf("a reference to %s, which is neither parameter nor resource", name)
	}
	for _, property := range []string{"BucketName", "QueueName", "LogGroupName"} {
		if given, ok := of.Properties[property]; ok {
			return d.resolve(given)
		}
	}
	return "<" + name + ">"
}

func (d deployment) attribute(name, attribute string) string {
	if d.Resources[name].Type == "AWS::S3::Bucket" && attribute == "Arn" {
		return "arn:aws:s3:::" + d.ref(name).(string)
	}
	if d.Resources[name].Type == "" {
		d.t.Errorf("an attribute of %s, which is no resource", name)
	}
	return "<" + name + "." + attribute + ">"
}

var placeholder = regexp.MustCompile(`\$\{([^}]+)\}`)

func (d deployment) sub(argument any) string {
	text, more := "", map[string]any{}
	switch a := argument.(type) {
	case string:
		text = a
	case []any:
		text, more = a[0].(string), a[1].(map[string]any)
	}
	return placeholder.ReplaceAllStringFunc(text, func(found string) string {
		name := found[2 : len(found)-1]
		if value, ok := more[name]; ok {
			return fmt.Sprint(d.resolve(value))
		}
		if resource, attribute, ok := strings.Cut(name, "."); ok {
			return d.attribute(resource, attribute)
		}
		return fmt.Sprint(d.ref(name))
	})
}

// holds says whether a condition is true.
func (d deployment) holds(name string) bool {
	condition, ok := d.Conditions[name]
	if !ok {
		d.t.Fatalf("there is no condition %s", name)
	}
	return d.truth(condition)
}

func (d deployment) truth(condition any) bool {
	for name, argument := range condition.(map[string]any) {
		switch name {
		case "Condition":
			return d.holds(argument.(string))
		case "Fn::Not":
			return !d.truth(argument.([]any)[0])
		case "Fn::And":
			return !slices.ContainsFunc(argument.([]any), func(c any) bool { return !d.truth(c) })
		case "Fn::Or":
			return slices.ContainsFunc(argument.([]any), d.truth)
		case "Fn::Equals":
			sides := texts(d.resolve(argument))
			return sides[0] == sides[1]
		default:
			d.t.Fatalf("these tests cannot decide %s", name)
		}
	}
	return false
}

// faults says which rules the values break, in order.
func (d deployment) faults() []string {
	var all []string
	for _, r := range d.Rules {
		if r.RuleCondition != nil && !d.truth(r.RuleCondition) {
			continue
		}
		for _, a := range r.Assertions {
			if !d.truth(a.Assert) {
				all = append(all, a.AssertDescription)
			}
		}
	}
	slices.Sort(all)
	return all
}

// properties gives a resource's properties.
func (d deployment) properties(id string) map[string]any {
	d.t.Helper()
	r, ok := d.made[id]
	if !ok {
		d.t.Fatalf("there is no %s", id)
	}
	return r.Properties
}

// at goes down into v: by name into a map, by number into a list. It gives nil
// where there is nothing.
func at(v any, path ...any) any {
	for _, step := range path {
		switch s := step.(type) {
		case string:
			members, _ := v.(map[string]any)
			v = members[s]
		case int:
			list, _ := v.([]any)
			if s >= len(list) {
				return nil
			}
			v = list[s]
		}
	}
	return v
}

// texts gives a text, or a list of them, as a list.
func texts(v any) []string {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var all []string
	for _, member := range list {
		if member != nil {
			all = append(all, fmt.Sprint(member))
		}
	}
	return all
}

// number gives a number, which CloudFormation also takes as text.
func number(t testing.TB, v any) int {
	t.Helper()
	n, err := strconv.Atoi(fmt.Sprint(v))
	if err != nil {
		t.Errorf("%v is no number", v)
	}
	return n
}

// ofType gives the names of all resources of a type, in order.
func (d deployment) ofType(kind string) []string {
	var ids []string
	for id, r := range d.made {
		if r.Type == kind {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
