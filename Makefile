# tcplab. `make help` lists what to type.
#
# Programs come out as $(BUILD)/NN-name/client and .../server. A scenario is a folder: its client.c, its server.c and every
# further .c file with a main function is a program (relay.c). Its other .c files go into each of its programs, also those
# in a folder inside (gob/gob.c), except exercises/ and mutants/. Adding a scenario needs no change here.
# A program of an exercise (NN-name/exercises/a/other/client.c) is built only if it is asked for by name.

MAKEFLAGS += --no-builtin-rules     # make starts in half the time: it need not ask for each file whether Fortran would make it

BUILD     ?= build
SCENARIOS ?= scenarios
PYTHON    ?= python3
# A Ctrl-C while Python starts would give a traceback. Where env can do it, the signal waits until the lab has begun.
lab        = $(shell env --block-signal=INT true 2>/dev/null && echo env --block-signal=INT) $(PYTHON) -m harness

# C11 and POSIX, with the warnings that catch a learner's mistakes. SANITIZE=1 and WERROR=1 are for the lab's own checks.
CFLAGS    ?= -O1 -g
ALL_FLAGS  = -std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Wpedantic -Wshadow -Wconversion -pthread -Icommon $(CFLAGS)
ifeq ($(SANITIZE),1)
ALL_FLAGS += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
endif
ifeq ($(WERROR),1)
ALL_FLAGS += -Werror
endif

# Changes when the compiler or its flags do, and so has everything built again. It is made before make looks for the scenarios: make looks
# into a folder once, and BUILD may lie in SCENARIOS.
stamp := $(BUILD)/.flags
_ := $(shell { [ -d $(BUILD) ] || mkdir -p $(BUILD); IFS= read -r old <$(stamp); flags='$(CC) $(ALL_FLAGS)'; \
    [ "$$old" = "$$flags" ] || { printf '%s\n' "$$flags" >$(stamp).$$$$ && mv $(stamp).$$$$ $(stamp); }; } 2>/dev/null)

# All of these are names without folder and ending, as 09-example/relay. What was asked for by name is a program even if its
# main is misspelt: then the linker says so. (A line in a comment that looks like main makes a program, too.)
stems     = $(patsubst $(SCENARIOS)/%.c,%,$(filter $(SCENARIOS)/%.c,$(1)))
# Files whose names make or the shell would read as more than a name are not there for them.
hash     := \#
odd      := [ ] " ' $$ $(hash) % : ; & \ | < > ( ) ` ! * ? { } ~ ^
strange   = $(strip $(foreach sign,$(odd),$(findstring $(sign),$(1))))
found    := $(wildcard $(SCENARIOS)/*/*.c $(SCENARIOS)/*/*/*.c)
files    := $(call stems,$(if $(call strange,$(found)),$(foreach file,$(found),$(if $(call strange,$(file)),,$(file))),$(found)))
sources  := $(foreach file,$(files),$(if $(word 3,$(subst /, ,$(file))),,$(file)))
a_main    = ^[[:space:]]*((int|void)[[:space:]]+)?main[[:space:]]*[(]
mains    := $(call stems,$(shell grep -lE '$(a_main)' $(SCENARIOS)/*/*.c 2>/dev/null))
asked     = $(MAKECMDGOALS:$(BUILD)/%=%)
stems_of_programs := $(filter %/client %/server $(mains) $(asked),$(sources))
shared   := $(filter-out $(stems_of_programs),$(files))
extras    = $(patsubst %,$(BUILD)/%.o,$(filter-out $(1)/exercises/% $(1)/mutants/%,$(filter $(1)/%,$(shared))))
names    := $(sort $(patsubst %/,%,$(dir $(stems_of_programs))))
others   := $(filter %/other/client %/other/server,$(asked))
programs := $(addprefix $(BUILD)/,$(stems_of_programs))
common   := $(patsubst common/%.c,$(BUILD)/common/%.o,$(wildcard common/*.c))

# What takes a number behind it: make check-2.
verbs := scenario predict watch step hint explore play draft
verbs += wire diagram diff reset
lettered := exercise solution start
.PHONY: all help progress quiz explain test lint fuzz torture bench pictures clean check FORCE $(verbs) $(lettered)
.SECONDARY:
.DELETE_ON_ERROR:

all: $(programs)        #: build every scenario

help:                   #: this list
	@printf 'tcplab: what TCP really does between two programs\n'
	@sed -n 's/^\([a-z][a-zA-Z%-]*\):[^#]*## \(.*\)/\1|\2/p' Makefile | sed 's/%/N/; s/diff-N/diff-A-B/; s/^\(exercise\|start\)-N/&x/' | awk -F'|' '{ printf "  make %-14s %s\n", $$1, $$2 }'
	@printf 'N is a number: '; echo $(names) | tr ' ' '\n' | sed 's/-.*//' | tr '\n' ' '; echo
	@printf "PAUSE=0: pauses take no time. NOPAUSE=1: none. ALL=1: all that differs.\n"
	@printf 'The lab: make all test lint fuzz torture bench pictures clean\nStatuses, JSON: python3 -m harness -h\n'

# -- run and judge ------------------------------------------------------------------------------------------------------

# What was set on the command line or in the environment (BUILD, SCENARIOS, SANITIZE, CC, PAUSE, ...) make hands on by
# itself. What stands for % goes through the environment, so that no shell reads it. FORCE: a file that happens to be called
# check-1 changes nothing.
check-% quiz-% $(addsuffix -%,$(verbs) $(lettered)): export stem = $*

scenario-%: FORCE       ## run the programs of scenario N and watch
	@$(lab) run "$$stem"

check-%: FORCE          ## the verdict alone: does scenario N keep its contract?
	@$(lab) check "$$stem"

predict-%: FORCE        ## say what you expect of scenario N, then see it run
	@$(lab) predict "$$stem"

quiz-%: FORCE
	@$(lab) quiz "$$stem"

quiz:                   ## questions about real runs (quiz-4: of one lesson; SEED=7)
	@$(lab) quiz

watch-%: FORCE          ## build, check and show the verdict of N on each save
	@$(lab) watch "$$stem"

step-%: FORCE           ## scenario N one line at a time: you say who goes on
	@$(lab) step "$$stem"

hint-%: FORCE           ## one more hint each time, for what is wrong with N now
	@$(lab) hint "$$stem"

explore-%: FORCE        ## many runs, one delay each (DELAYS=2: two; WHERE=1: why)
	@$(lab) explore "$$stem" --delays "$${DELAYS:-1}" $(if $(filter-out 0,$(WHERE)),--where)

play-%: FORCE           ## a run as a page (WHERE=1: one of each outcome)
	@$(lab) play "$$stem" $(if $(filter-out 0,$(WHERE)),--where)

draft-%: FORCE          ## write a first contract for N, from what its runs did
	@$(lab) draft "$$stem"

wire-%: FORCE           ## the segments of N between its lines (PCAP=FILE)
	@$(lab) wire "$$stem"

diagram-%: FORCE        ## scenario N as a picture (SVG)
	@$(lab) diagram "$$stem"

explain:                ## programs of your own: SERVER='./srv 90' CLIENT='./cli 90'
	@: $(if $(and $(SERVER),$(CLIENT)),,$(error name your programs: make explain SERVER='./srv 9000' CLIENT='./cli localhost 9000'))
	@$(lab) explain --server "$$SERVER" --client "$$CLIENT" $(ARGS)

progress:               ## what you have done, and what comes next
	@$(lab) progress

check:                  ## the verdicts of all scenarios
	@$(lab) check

diff-%: FORCE           ## how A and B differ (diff-N: what you changed in N)
	@$(lab) diff "$$stem"

exercise-%: FORCE       ## judge your code by exercise 2a (IN=90: the code in 90)
	@$(lab) exercise "$$stem" $${IN:+--in="$$IN"}

solution-%: FORCE
	@$(lab) solution "$$stem"

start-%: FORCE          ## lay out what 2c begins with, as 90 or up (solution-2c)
	@$(lab) start "$$stem"

reset-%: FORCE          ## put N back; shows what you would lose, keeps a copy
	@$(lab) reset "$$stem"

$(verbs):
	@printf 'Which one? For example: make $@-1$(if $(filter diff,$@),-2)\nThe numbers are: $(foreach name,$(names),$(firstword $(subst -, ,$(name))))\n' >&2; exit 2

$(lettered):
	@printf 'Which one? For example: make $@-2a\nmake progress lists the lessons and their exercises.\n' >&2; exit 2

FORCE:

# -- build --------------------------------------------------------------------------------------------------------------

# What a learner has made there is not removed with the programs: copies of changed files, predictions, progress.
yours := kept predictions progress.txt

# Whole under another name first: who makes the same thing at the same time, or uses it, never sees half of it.
compile = @{ [ -d $(@D) ] || mkdir -p $(@D); } && $(CC) $(ALL_FLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c -o $@.$$$$ $< && mv -f $@.$$$$ $@ || { rm -f $@.$$$$; exit 1; }

$(BUILD)/common/%.o: common/%.c $(stamp)
	$(compile)

$(BUILD)/%.o: $(SCENARIOS)/%.c $(stamp)
	$(compile)

$(BUILD)/libcommon.a: $(common)
	@rm -f $@.$$$$ && $(AR) rc $@.$$$$ $^ && mv -f $@.$$$$ $@

define link
$(BUILD)/$(1): $(BUILD)/$(1).o $(call extras,$(firstword $(subst /, ,$(1)))) $(BUILD)/libcommon.a
	@$$(CC) $$(ALL_FLAGS) -o $$@.$$$$$$$$ $$^ && mv -f $$@.$$$$$$$$ $$@
endef
$(foreach program,$(stems_of_programs) $(others),$(eval $(call link,$(program))))

-include $(wildcard $(BUILD)/common/*.d $(BUILD)/*/*.d $(BUILD)/*/*/*.d $(addprefix $(BUILD)/,$(addsuffix .d,$(others))))

# -- the lab's own checks -----------------------------------------------------------------------------------------------

test: all               #: all tests (fetches pytest and bats if they are missing)
	@sh tests/tools.sh test

lint:                   #: formatters and static checks
	@sh tests/tools.sh lint

fuzz:                   #: the decoders against random bytes (SECONDS=60)
	@sh tests/fuzz.sh $(or $(SECONDS),60)

torture:                #: kills, hostile programs, random proofs (MINUTES=10)
	@$(PYTHON) tests/torture/torture.py --minutes $(or $(MINUTES),10) --seed $(or $(SEED),0)

bench:                  #: how fast common/ and the lab itself are
	@$(PYTHON) tests/bench/run.py; common=$$?; printf "\nThe lab itself\n"; $(PYTHON) tests/bench/lab.py && exit $$common

pictures: all           #: draws the pictures of the lessons anew, a run each. A test says which ones have drifted
	@mkdir -p lessons/pictures
	@for name in $(filter-out 9%,$(names)); do PAUSE=0 $(lab) diagram "$$name" -o "lessons/pictures/$$name.svg" || exit; done

clean:                  #: remove what was built
	@[ ! -d $(BUILD) ] || find $(BUILD) -mindepth 1 -maxdepth 1 $(foreach name,$(yours),! -name $(name)) -exec rm -rf {} +
	@rmdir $(BUILD) 2>/dev/null || [ ! -d $(BUILD) ] || echo 'What is yours stays in $(BUILD):' $$(ls $(BUILD))
