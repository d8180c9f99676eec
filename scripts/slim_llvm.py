#!/usr/bin/env python3
"""Takes out of LLVM's static libraries what a trainer for CUDA never runs. For scripts/gpu_bundle.sh.

    scripts/slim_llvm.py FOLDER      the folder of libLLVM*.a, which is changed

* Tables for unwinding: LLVM does not throw.
* The code generators of other processors. What sets them up does nothing.
* The members listed below, with their static initialisers. Every function of theirs is one illegal instruction, so a
  trainer that reaches one dies there and then. LLVM calls each pass of its pipeline on every module, whatever is in it:
  a stub in the pipeline shows with the first kernel. What runs only on some modules is in the list only where its reason
  cannot arise in a kernel: profiles, OpenMP, other formats of files, allocation of registers (which ptxas does).
"""

import argparse
import re
import subprocess
import tempfile
from pathlib import Path

# Functions by which a processor is set up, and the libraries that have them.
SET_UP = ["TargetInfo", "Target", "TargetMC", "AsmPrinter", "AsmParser", "Disassembler"]
KEPT_TARGET = "NVPTX"

# Whole libraries: code that is made in memory for this processor, and the files it comes from.
UNUSED_LIBRARIES = ["ExecutionEngine", "JITLink", "OrcJIT", "OrcShared", "OrcTargetProcess", "RuntimeDyld", "TextAPI"]

# Members of the others.
UNUSED_MEMBERS = {
    "Analysis": "DDG DDGPrinter IRSimilarityIdentifier",
    "AsmPrinter": "CodeViewDebug",
    "BitWriter": "BitcodeWriter",
    "CodeGen": """BasicBlockSections BreakFalseDeps CFIInstrInserter DFAPacketizer DwarfEHPrepare EarlyIfConversion
        ExecutionDomainFix FaultMaps IfConversion ImplicitNullChecks InlineSpiller InterferenceCache InterleavedAccessPass
        InterleavedLoadCombinePass JMCInstrumenter LiveDebugVariables MIRPrinter MachineCombiner MachineCopyPropagation
        MachineFunctionSplitter MachineLateInstrsCleanup MachineTraceMetrics PostRASchedulerList PrologEpilogInserter
        ReachingDefAnalysis RegAllocBase RegAllocBasic RegAllocEvictionAdvisor RegAllocFast RegAllocGreedy RegAllocPBQP
        RegAllocPriorityAdvisor ShadowStackGCLowering ShrinkWrap SjLjEHPrepare SplitKit StackColoring StackSlotColoring
        TypePromotion VLIWMachineScheduler WasmEHPrepare""",
    "Instrumentation": """AddressSanitizer BlockCoverageInference BoundsChecking DataFlowSanitizer GCOVProfiling
        HWAddressSanitizer IndirectCallPromotion InstrProfiling LowerAllowCheckPass MemProfInstrumentation MemProfUse
        MemorySanitizer NumericalStabilitySanitizer PGOCtxProfFlattening PGOForceFunctionAttrs PGOInstrumentation
        PGOMemOPSizeOpt RealtimeSanitizer SanitizerCoverage ThreadSanitizer TypeSanitizer ValueProfileCollector""",
    "MC": "GOFFObjectWriter WasmObjectWriter WinCOFFObjectWriter XCOFFObjectWriter",
    "ObjCARCOpts": """DependencyAnalysis ObjCARC ObjCARCExpand ObjCARCOpts ProvenanceAnalysis ProvenanceAnalysisEvaluator
        PtrState""",
    "Object": "COFFObjectFile GOFFObjectFile MachOObjectFile WasmObjectFile XCOFFObjectFile",
    "ProfileData": "ItaniumManglingCanonicalizer SampleProfReader SampleProfWriter",
    "ScalarOpts": """GVNHoist GVNSink GuardWidening LoopBoundSplit LoopDataPrefetch LoopFlatten LoopFuse LoopPredication
        LoopUnrollAndJamPass LoopVersioningLICM LowerMatrixIntrinsics NewGVN PlaceSafepoints RewriteStatepointsForGC""",
    "SelectionDAG": "ScheduleDAGFast ScheduleDAGVLIW",
    "TransformUtils": """AMDGPUEmitPrintf Debugify IRNormalizer LoopUnrollAndJam SampleProfileInference StripGCRelocates
        SymbolRewriter""",
    "ipo": """Attributor AttributorAttributes BlockExtractor CrossDSOCFI EmbedBitcodePass FatLTOCleanup FunctionImport
        HotColdSplitting IROutliner Instrumentor InstrumentorConfigFile InstrumentorStubPrinter InstrumentorUtils
        LowerTypeTests MergeFunctions PartialInlining SampleContextTracker SampleProfile SampleProfileMatcher
        ThinLTOBitcodeWriter WholeProgramDevirt""",
}

# What enters a pass into the list of all passes. It is called for each, used or not.
ENTERS_A_PASS = re.compile(r"initialize\w+PassERNS_12PassRegistryE$")


def output(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def assemble(source: str, into: Path) -> None:
    subprocess.run(["as", "-o", into, "-"], input=source, text=True, check=True)


def labels(names: list[str]) -> str:
    return "".join(f".globl {name}\n.type {name}, @function\n{name}:\n" for name in names)


def stub(member: Path) -> None:
    """Replaces an object file by one that has its names and nothing else. Weak symbols are left out: who uses one has a
    copy of it."""
    functions, data = [], []
    for line in output("nm", "--print-size", "--defined-only", "--extern-only", member).splitlines():
        _, *size, kind, name = line.split()
        if kind == "T":
            functions.append(name)
        elif kind in "BDRS":
            data.append((name, max(int(size[0], 16), 1) if size else 16))
    passes = [name for name in functions if ENTERS_A_PASS.search(name)]
    others = [name for name in functions if name not in passes]
    # The name behind the instruction keeps linkers from folding all stubs into one, which a debugger could not name.
    source = f".text\n{labels(passes)}ret\n{labels(others)}ud2\n.ascii \"{member.name}\"\n.bss\n"
    source += "".join(f".balign 16\n.globl {name}\n{name}:\n.zero {size}\n" for name, size in data)
    source += '.section .note.GNU-stack,"",@progbits\n'
    member.unlink()
    assemble(source, member)


def stub_members(library: Path, names: list[str] | None) -> int:
    """Stubs the members called `names`, or all."""
    there = output("ar", "t", library).split()
    members = there if names is None else [f"{name}.cpp.o" for name in names]
    missing = sorted(set(members) - set(there))
    if missing:
        raise SystemExit(f"slim_llvm: {library.name} has no {', '.join(missing)}: another version of LLVM?")
    if len(set(there)) != len(there):
        raise SystemExit(f"slim_llvm: {library.name} has two members of one name")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["ar", "x", library.resolve(), *members], cwd=folder, check=True)
        for member in members:
            stub(Path(folder) / member)
        subprocess.run(["ar", "r", library.resolve(), *members], cwd=folder, check=True)
    return len(members)


def drop_target(libraries: Path, target: str) -> None:
    for library in libraries.glob(f"libLLVM{target}*.a"):
        library.unlink()
        subprocess.run(["ar", "rc", library], check=True)
    with tempfile.TemporaryDirectory() as folder:
        none = Path(folder) / "none.o"
        functions = "".join(
            f".section .text.{part}\n{labels([f'LLVMInitialize{target}{part}'])}ret\n" for part in SET_UP
        )
        assemble(functions + '.section .note.GNU-stack,"",@progbits\n', none)
        subprocess.run(["ar", "rc", libraries / f"libLLVM{target}Info.a", none], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    libraries = parser.parse_args().folder
    for library in libraries.glob("libLLVM*.a"):
        subprocess.run(
            ["objcopy", "--remove-section=.eh_frame", "--remove-section=.rela.eh_frame", library], check=True
        )
    for target in output(libraries.parent / "bin" / "llvm-config", "--targets-built").split():
        if target != KEPT_TARGET:
            drop_target(libraries, target)
    stubbed = sum(stub_members(libraries / f"libLLVM{library}.a", None) for library in UNUSED_LIBRARIES)
    for library, names in UNUSED_MEMBERS.items():
        stubbed += stub_members(libraries / f"libLLVM{library}.a", names.split())
    print(f"slim_llvm: {stubbed} members are stubs")


main()
