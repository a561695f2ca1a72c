//go:build acceptance

package acceptance

import "testing"

// TestTheDeployedStack deploys template.yaml with the SAM CLI, uses it as callers,
// operators and attackers do, and takes it down again.
func TestTheDeployedStack(t *testing.T) {
	e := startEmulator(t)
	b := builtFunctions(t, thisMachine)
	s := deployStack(t, e, "hatchery", builtTemplate(t, b), b, parameters("hatchery"))
	check(t, s.hurry(t.Context()))
	t.Run("an upload by POST is stored, served, linked, listed and deleted",
		func(t *testing.T) { check(t, uploadsByPost(t.Context(), s, picture(t))) })
	t.Run("an upload by a signed form is stored, served, linked, listed and deleted",
		func(t *testing.T) { check(t, uploadsByForm(t.Context(), s, picture(t))) })
	if t.Failed() {
		t.FailNow() // nothing else can be well then
	}
	t.Run("the validator refuses files with a false extension", func(t *testing.T) { refusesFalseExtensions(t, s) })
	t.Run("the API refuses requests", func(t *testing.T) { refusesRequests(t, s) })
	t.Run("CORS", func(t *testing.T) { pagesOfAllowedOriginsOnly(t, s) })
	t.Run("behind a load balancer", func(t *testing.T) { worksBehindALoadBalancer(t, s, b) })
	t.Run("behind CloudFront", func(t *testing.T) { worksBehindCloudFront(t, s, b) })
	t.Run("the application is told", func(t *testing.T) { tellsTheApplication(t, s) })
	t.Run("from accepted to stored", func(t *testing.T) { measures(t, s) })
	t.Run("poison comes to the dead letters",
		func(t *testing.T) { check(t, poisonComesToTheDeadLetters(t.Context(), s, picture(t))) })
	t.Run("trouble ends among the dead letters, and can be sent back", func(t *testing.T) { troubleIsSurvived(t, s) })
	t.Run("lost messages are sent again", func(t *testing.T) { reconcilesLostMessages(t, s) })
	t.Run("every kind goes in and out by the commands", func(t *testing.T) { everyKindByTheCommands(t, s) })
	t.Run("other clients", func(t *testing.T) { otherClients(t, s) })
	t.Run("nothing else became a dead letter", func(t *testing.T) { check(t, s.noDeadLetters(t.Context())) })
	t.Run("what is erased by hand is found nowhere", func(t *testing.T) { erasesByHand(t, s) })
	t.Run("the doctor finds what is planted, and nothing else", func(t *testing.T) { doctorFindsFaults(t, s) })
	t.Run("people on call use hatchery", func(t *testing.T) { peopleOnCall(t, s) })
	t.Run("a thousand dead letters", func(t *testing.T) { thousandDeadLetters(t, s) })
	t.Run("every statement of every role is needed", func(t *testing.T) { needsEveryStatement(t, s) })
	t.Run("every action of the policies for people is needed", func(t *testing.T) { peopleNeedEveryAction(t, s) })
	t.Run("every role is refused what is not its own", func(t *testing.T) { refusesWhatIsNotTheirs(t, s) })
	t.Run("the stack is deleted, and nothing is left", func(t *testing.T) { takesDown(t, s) })
}
